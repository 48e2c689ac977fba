import type { Random } from '../../random.js';
import { cos, sin } from './angle.js';
import { ellipse, f, type Part, polygon } from './tools.js';

type Colour = readonly [red: number, green: number, blue: number];

/** A scene is composed in a box of 100 x 100, independently of its size in pixels. */
const BOX = 100;

const css = (c: Colour): string => `rgb(${c.map(v => Math.round(Math.min(255, Math.max(0, v)))).join(',')})`;

const luma = ([red, green, blue]: Colour): number => 0.3 * red + 0.59 * green + 0.11 * blue;

const shade = (c: Colour, by: number): Colour => [c[0] + by, c[1] + by, c[2] + by];

const mix = (a: Colour, b: Colour, share: number): Colour => [
  a[0] + (b[0] - a[0]) * share,
  a[1] + (b[1] - a[1]) * share,
  a[2] + (b[2] - a[2]) * share,
];

/** A rectangle from (0, 0). */
const rect = (width: number, height: number, paint: string): string =>
  `<rect width="${f(width)}" height="${f(height)}" fill="${paint}"/>`;

const filled = (path: string, paint: string): string => `<path d="${path}" fill="${paint}"/>`;

const group = (transform: string, content: string, opacity = 1): string =>
  `<g transform="${transform}" opacity="${opacity.toFixed(2)}">${content}</g>`;

/** A colour of any brightness, with a saturation up to `vivid`. */
function anyColour(r: Random, vivid = 55): Colour {
  const [grey, strength] = [r.range(30, 225), r.range(0, vivid)];
  return [
    grey + r.range(-strength, strength),
    grey + r.range(-strength, strength),
    grey + r.range(-strength, strength),
  ];
}

/** A colour at least `gap` brighter or darker than `from`; after 40 tries black or white. */
function apart(r: Random, from: Colour, gap: number): Colour {
  for (let i = 0; i < 40; i++) {
    const c = anyColour(r);
    if (Math.abs(luma(c) - luma(from)) >= gap) return c;
  }
  return luma(from) > 127 ? [10, 10, 10] : [245, 245, 245];
}

interface Fill {
  readonly definition: string;
  readonly paint: string;
}

/** A gradient between two shades of a colour, in a random direction. */
function gradient(r: Random, id: string, from: Colour, to: Colour): Fill {
  const angle = r.range(0, 2 * Math.PI);
  const [x, y] = [0.5 * cos(angle), 0.5 * sin(angle)];
  const corner = (n: number, sign: number): string =>
    `x${n}="${(0.5 + sign * x).toFixed(2)}" y${n}="${(0.5 + sign * y).toFixed(2)}"`;
  const ends = `${corner(1, -1)} ${corner(2, 1)}`;
  const stops = `<stop offset="0" stop-color="${css(from)}"/><stop offset="1" stop-color="${css(to)}"/>`;
  return { definition: `<linearGradient id="${id}" ${ends}>${stops}</linearGradient>`, paint: `url(#${id})` };
}

/** Stripes, checks, dots or tiles over the entire background. */
function weave(r: Random, ground: Colour): Fill {
  const step = r.range(6, 22);
  const paint = css(shade(ground, r.range(8, 30) * (r.chance(0.5) ? 1 : -1)));
  const half = step * r.range(0.3, 0.6);
  const mark = r.pick([
    rect(half, step, paint),
    rect(step / 2, step / 2, paint) +
      group(`translate(${f(step / 2)} ${f(step / 2)})`, rect(step / 2, step / 2, paint)),
    filled(ellipse(step / 2, step / 2, half / 2), paint),
    `<path d="M0 0H${f(step)}V${f(step)}" fill="none" stroke="${paint}" stroke-width="1.6"/>`,
  ]);
  const size = `width="${f(step)}" height="${f(step)}" patternUnits="userSpaceOnUse"`;
  return {
    definition: `<pattern id="weave" ${size} patternTransform="rotate(${r.whole(0, 179)})">${mark}</pattern>`,
    paint: 'url(#weave)',
  };
}

function blob(r: Random, x: number, y: number, size: number): string {
  const corners = r.whole(3, 7);
  const start = r.range(0, 6.28);
  return polygon(
    Array.from({ length: corners }, (_, i) => {
      const [angle, radius] = [start + (i * 6.28) / corners, size * r.range(0.5, 1)];
      return [x + radius * cos(angle), y + radius * sin(angle)];
    }),
  );
}

/** One piece of clutter: a polygon, an ellipse, a bar, a wavy line or a ring, in a colour close to that of the background. */
function scrap(r: Random, ground: Colour): string {
  const [x, y, size] = [r.range(0, BOX), r.range(0, BOX), r.range(6, 26)];
  const paint = css(mix(ground, anyColour(r), 0.45));
  const stroke = `fill="none" stroke="${paint}" stroke-width="${f(r.range(2, 7))}" stroke-linecap="round"`;
  const bend = (): string => `${f(x + r.range(-40, 40))} ${f(y + r.range(-40, 40))}`;
  return r.pick([
    filled(blob(r, x, y, size), paint),
    filled(ellipse(x, y, size * 0.7, size * r.range(0.3, 0.7)), paint),
    `<path d="M${f(x)} ${f(y)}L${bend()}" ${stroke}/>`,
    `<path d="M${f(x)} ${f(y)}Q${bend()} ${bend()}T${bend()}" ${stroke}/>`,
    `<path d="${ellipse(x, y, size * 0.5)}" ${stroke}/>`,
  ]);
}

interface Look {
  readonly main: string;
  readonly grip: string;
  readonly line: string;
  readonly outline: number;
  readonly hollow: boolean;
}

const SHADOW: Look = { main: '#000', grip: '#000', line: '#000', outline: 0, hollow: false };

/** The style in which any tool is painted: shaded, flat with an outline, as a silhouette, or as a line drawing. */
function look(r: Random, ground: Colour, defs: string[]): Look {
  const main = apart(r, ground, 80);
  const grip = r.chance(0.35) ? main : apart(r, ground, 60);
  const line = css(luma(main) > 110 ? shade(main, -r.range(70, 130)) : shade(main, r.range(70, 130)));
  const style = r.range(0, 1);
  if (style < 0.2) return { main: css(main), grip: css(main), line: css(main), outline: 0, hollow: false };
  if (style < 0.38)
    return { main: css(main), grip: css(grip), line: css(main), outline: r.range(2, 3.4), hollow: true };
  if (style < 0.6) return { main: css(main), grip: css(grip), line, outline: r.range(1, 2.2), hollow: false };
  const fills = [main, grip].map((c, i) =>
    gradient(r, `tool${i}`, shade(c, r.range(10, 50)), shade(c, -r.range(10, 50))),
  );
  defs.push(...fills.map(fill => fill.definition));
  return { main: fills[0]?.paint ?? css(main), grip: fills[1]?.paint ?? css(grip), line, outline: 0, hollow: false };
}

const lineAttributes = (paint: string, width: number): string =>
  `fill="none" stroke="${paint}" stroke-width="${f(width)}" stroke-linecap="round" stroke-linejoin="round"`;

function paintPart(part: Part, l: Look): string {
  const paint = part.role === 'mark' ? l.line : l[part.role];
  const d = `<path d="${part.path}"`;
  if (part.width !== undefined) {
    const rim =
      l.outline > 0 && !l.hollow && part.role !== 'mark'
        ? `${d} ${lineAttributes(l.line, part.width + 2 * l.outline)}/>`
        : '';
    return `${rim}${d} ${lineAttributes(paint, l.hollow ? Math.min(part.width, l.outline) : part.width)}/>`;
  }
  if (l.hollow) return `${d} ${lineAttributes(paint, l.outline)}/>`;
  const edge = l.outline > 0 ? ` stroke="${l.line}" stroke-width="${f(l.outline)}"` : '';
  return `${d} fill="${paint}" fill-rule="evenodd"${edge}/>`;
}

/** A random transformation: rotated, mirrored, scaled unevenly, skewed and shifted. */
function pose(r: Random): string {
  const scale = r.range(0.74, 1);
  const widen = r.range(0.9, 1.2);
  const [x, y] = [BOX / 2 + r.range(-8, 8), BOX / 2 + r.range(-8, 8)];
  const mirror = r.chance(0.5) ? -1 : 1;
  const turn = r.whole(-20, 20);
  const lean = `skewX(${r.whole(-10, 10)}) skewY(${r.whole(-8, 8)})`;
  const stretch = `scale(${(scale * widen * mirror).toFixed(3)} ${scale.toFixed(3)})`;
  return `translate(${f(x)} ${f(y)}) rotate(${turn}) ${lean} ${stretch}`;
}

/** A bar or blob in front of the tool, towards its edge. */
function occluder(r: Random): string {
  const paint = css(anyColour(r));
  const angle = r.range(0, 6.28);
  const [x, y] = [BOX / 2 + r.range(14, 34) * cos(angle), BOX / 2 + r.range(14, 34) * sin(angle)];
  if (r.chance(0.5)) return filled(blob(r, x, y, r.range(9, 19)), paint);
  return group(
    `translate(${f(x)} ${f(y)}) rotate(${r.whole(0, 179)}) translate(-80 0)`,
    rect(160, r.range(4, 10), paint),
  );
}

/** The image as an SVG document of size x size pixels. */
export function scene(r: Random, draw: (r: Random) => Part[], size: number): string {
  const ground = anyColour(r);
  const defs: string[] = [];
  const far = gradient(r, 'ground', shade(ground, r.range(0, 45)), shade(ground, -r.range(0, 45)));
  defs.push(far.definition);
  const layers = [rect(BOX, BOX, far.paint)];
  if (r.chance(0.4)) {
    const cloth = weave(r, ground);
    defs.push(cloth.definition);
    layers.push(rect(BOX, BOX, cloth.paint));
  }
  for (let i = r.whole(0, 3); i > 0; i--) layers.push(scrap(r, ground));
  const l = look(r, ground, defs);
  const parts = draw(r);
  const place = pose(r);
  const drawn = (paint: Look): string => parts.map(part => paintPart(part, paint)).join('');
  if (r.chance(0.5) && !l.hollow) {
    const drop = `translate(${f(r.range(-5, 5))} ${f(r.range(2, 6))})`;
    layers.push(group(`${drop} ${place}`, drawn(SHADOW), r.range(0.15, 0.4)));
  }
  layers.push(group(place, drawn(l)));
  if (r.chance(0.25)) layers.push(occluder(r));
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 ${BOX} ${BOX}">`;
  return `${head}<defs>${defs.join('')}</defs>${layers.join('')}</svg>`;
}
