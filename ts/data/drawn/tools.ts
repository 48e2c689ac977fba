import type { Random } from '../../random.js';
import { asin, cos, sin } from './angle.js';

/**
 * A part of a tool as an SVG path in a box of about -50 to 50, upright. `main` and `grip` take the tool's two colours,
 * `mark` a thin dark line. With `width` the path is a line of that width, else it is filled (even-odd, so that inner
 * outlines are holes).
 */
export interface Part {
  readonly path: string;
  readonly role: 'main' | 'grip' | 'mark';
  readonly width?: number;
}

type Point = readonly [x: number, y: number];

export const f = (value: number): string => value.toFixed(1);

const at = ([x, y]: Point): string => `${f(x)} ${f(y)}`;

export const polygon = (points: readonly Point[]): string => `M${points.map(at).join('L')}Z`;

/** A polygon that mirrors the given right-hand outline about the upright axis. */
const symmetric = (right: readonly Point[]): string =>
  polygon([...right, ...right.map(([x, y]): Point => [-x, y]).reverse()]);

const line = (...points: readonly Point[]): string => `M${points.map(at).join('L')}`;

const curve = (from: Point, control: Point, to: Point): string => `M${at(from)}Q${at(control)} ${at(to)}`;

export function ellipse(cx: number, cy: number, rx: number, ry = rx): string {
  const arc = `A${f(rx)} ${f(ry)} 0 1 0`;
  return `M${f(cx - rx)} ${f(cy)}${arc} ${f(cx + rx)} ${f(cy)}${arc} ${f(cx - rx)} ${f(cy)}Z`;
}

/** A box with corners cut by `cut`. */
function box(left: number, top: number, right: number, bottom: number, cut = 0): string {
  const c = f(cut);
  const [across, down] = [f(right - left - 2 * cut), f(bottom - top - 2 * cut)];
  return `M${f(left + cut)} ${f(top)}h${across}l${c} ${c}v${down}l-${c} ${c}h-${across}l-${c} -${c}v-${down}Z`;
}

const polar = (cx: number, cy: number, radius: number, angle: number): Point => [
  cx + radius * cos(angle),
  cy + radius * sin(angle),
];

function hammer(r: Random): Part[] {
  const handle = r.range(3, 5.5);
  const top = r.range(-40, -34);
  const height = r.range(12, 19);
  const [left, right] = [r.range(15, 25), r.range(15, 25)];
  const bottom = top + height;
  const neck = height * r.range(0.15, 0.3);
  const [above, below] = [f(top + neck / 2), f(bottom - neck / 2)];
  const face = `M${f(-left)} ${f(top)}L${f(-left + 7)} ${f(top)}L${f(-left + 9)} ${above}L8 ${above}`;
  const back = `L${f(-left + 9)} ${below}L${f(-left + 7)} ${f(bottom)}L${f(-left)} ${f(bottom)}Z`;
  const middle = top + height / 2;
  const peen = r.pick([
    `Q${f(right)} ${f(top)} ${f(right + 5)} ${f(bottom + 8)}Q${f(right - 6)} ${f(bottom - 1)} 8 ${below}`,
    `L${f(right)} ${f(middle - 1.5)}L${f(right)} ${f(middle + 1.5)}L8 ${below}`,
    `L${f(right)} ${f(top)}L${f(right)} ${f(bottom)}L8 ${below}`,
  ]);
  const swell = r.range(0, 2.5);
  const grip = symmetric([
    [handle, bottom - 2],
    [handle + swell, 25],
    [handle + swell, 48],
  ]);
  return [
    { path: grip, role: 'grip' },
    { path: face + peen + back, role: 'main' },
  ];
}

/** The end of a wrench: a disc with a jaw cut in, opening upwards by `tilt`; `flip` opens it downwards. */
function jaw(cy: number, radius: number, gap: number, tilt: number, flip: boolean): string {
  const start = (flip ? Math.PI / 2 : -Math.PI / 2) + tilt;
  const half = asin(gap / 2 / radius);
  const outer = Array.from({ length: 15 }, (_, i) =>
    polar(0, cy, radius, start + half + ((2 * Math.PI - 2 * half) * i) / 14),
  );
  const depth = radius * 0.25;
  const along: Point = [cos(start), sin(start)];
  const side: Point = [-along[1] * (gap / 2), along[0] * (gap / 2)];
  const inner: Point[] = [
    [-along[0] * depth - side[0], cy - along[1] * depth - side[1]],
    [-along[0] * depth + side[0], cy - along[1] * depth + side[1]],
  ];
  return polygon([...outer, ...inner]);
}

function wrench(r: Random): Part[] {
  const [radius, shaft] = [r.range(13, 18), r.range(4, 7)];
  const second = radius * r.range(0.65, 0.95);
  const [top, bottom] = [-48 + radius, 48 - second];
  const gap = radius * r.range(0.75, 1.05);
  const tilt = r.range(-0.4, 0.4);
  const parts: Part[] = [
    { path: box(-shaft, top + radius * 0.7, shaft, bottom - second * 0.6), role: r.chance(0.6) ? 'main' : 'grip' },
    { path: jaw(top, radius, gap, tilt, false), role: 'main' },
  ];
  const ring = ellipse(0, bottom, second) + ellipse(0, bottom, second * r.range(0.45, 0.62));
  const ends = [ring, jaw(bottom, second, second * r.range(0.75, 1), tilt, true), ring];
  parts.push({ path: r.pick(ends), role: 'main' });
  return parts;
}

function screwdriver(r: Random): Part[] {
  const [grip, shaft, split] = [r.range(7, 12), r.range(2, 3.6), r.range(-10, 10)];
  const shoulder = split + r.range(4, 9);
  const handle = symmetric([
    [grip * 0.6, split],
    [grip * 0.7, shoulder],
    [grip, shoulder + 6],
    [grip, 43],
    [grip * 0.6, 48],
  ]);
  const tip = r.chance(0.5)
    ? symmetric([
        [shaft * 0.8, -48],
        [shaft + 2.5, -40],
        [shaft, -34],
        [shaft, split],
      ])
    : symmetric([
        [0, -49],
        [shaft, -41],
        [shaft, split],
      ]);
  const grooves: Part[] = r.chance(0.7)
    ? [-0.45, 0, 0.45].map(x => ({ path: line([x * grip, shoulder + 8], [x * grip, 42]), role: 'mark', width: 1.6 }))
    : [];
  return [{ path: tip, role: 'main' }, { path: handle, role: 'grip' }, ...grooves];
}

function saw(r: Random): Part[] {
  const [wide, narrow] = [r.range(22, 30), r.range(7, 14)];
  const teeth = r.whole(9, 14);
  const deep = r.range(3, 5);
  const [top, bottom] = [-49, 18];
  const edge = Array.from({ length: teeth * 2 + 1 }, (_, i): Point => {
    const t = i / (teeth * 2);
    return [-wide / 2 + (i % 2 === 0 ? 0 : -deep), bottom + (top - bottom) * t];
  });
  const blade = polygon([...edge, [-wide / 2 + narrow, top], [wide / 2, bottom]]);
  const [hw, hh] = [wide * r.range(0.52, 0.64), r.range(15, 18)];
  const cy = bottom + hh - 3;
  const cut = r.range(4, 8);
  return [
    { path: blade, role: 'main' },
    {
      path: box(-hw, cy - hh, hw, cy + hh, cut) + ellipse(0, cy + 1, hw * r.range(0.42, 0.58), hh * r.range(0.4, 0.55)),
      role: 'grip',
    },
  ];
}

function pliers(r: Random): Part[] {
  const open = r.range(2, 9);
  const [bow, thick] = [r.range(14, 24), r.range(6.5, 9.5)];
  const pivot = r.range(-20, -12);
  const long = r.range(22, 32);
  const nose = r.range(1.5, 5);
  const half = (s: number): Part[] => [
    {
      path: curve([s * 3, pivot + 2], [s * bow * 1.1, pivot + 18], [s * (bow * 0.75 + open), 48]),
      role: 'grip',
      width: thick,
    },
    {
      path: polygon([
        [-s * 7, pivot + 6],
        [s * 5, pivot + 5],
        [s * 8.5, pivot - 8],
        [s * (nose + open / 2), pivot - long],
        [s * (open / 2), pivot - long],
        [s * (0.6 + open / 5), pivot - 10],
      ]),
      role: 'main',
    },
  ];
  return [
    ...half(-1),
    ...half(1),
    { path: ellipse(0, pivot, r.range(5, 7.5)), role: 'main' },
    { path: ellipse(0, pivot, 2), role: 'mark', width: 1.6 },
  ];
}

function scissors(r: Random): Part[] {
  const spread = r.range(5, 15);
  const [rx, ry] = [r.range(8, 12), r.range(9, 14)];
  const pivot = r.range(-2, 8);
  const blade = r.range(5, 8);
  const ring = r.range(3.5, 5.5);
  const foot = pivot + r.range(10, 16);
  const half = (s: number): Part[] => {
    const eye: Point = [-s * (rx + 1 + spread / 4), foot + ry];
    return [
      {
        path: polygon([
          [s * spread, -49],
          [s * (spread * 0.5 + 1 + blade / 2), pivot - 15],
          [-s * 2 + blade / 2, pivot + 5],
          [-s * 2 - blade / 2, pivot + 5],
          [s * (spread * 0.4) - blade / 3, pivot - 15],
        ]),
        role: 'main',
      },
      { path: line([-s * 1, pivot + 2], [eye[0] + s * rx * 0.5, eye[1] - ry * 0.8]), role: 'grip', width: blade },
      { path: ellipse(eye[0], eye[1], rx, ry), role: 'grip', width: ring },
    ];
  };
  return [...half(-1), ...half(1), { path: ellipse(0, pivot, 1.8), role: 'mark', width: 1.6 }];
}

function gear(r: Random): Part[] {
  const teeth = r.whole(7, 14);
  const [outer, inner] = [r.range(42, 48), r.range(31, 37)];
  const duty = r.range(0.2, 0.3);
  const step = (2 * Math.PI) / teeth;
  const rim = Array.from({ length: teeth }, (_, i) => [
    polar(0, 0, inner, (i - duty * 1.25) * step),
    polar(0, 0, outer, (i - duty * 0.7) * step),
    polar(0, 0, outer, (i + duty * 0.7) * step),
    polar(0, 0, inner, (i + duty * 1.25) * step),
  ]).flat();
  const bore = r.range(5, 16);
  const holes =
    r.chance(0.4) && bore < 10
      ? Array.from({ length: 5 }, (_, i) => ellipse(...polar(0, 0, 21, (i * 2 * Math.PI) / 5), 5.5)).join('')
      : '';
  const hub: Part[] = r.chance(0.5) ? [{ path: ellipse(0, 0, bore + 6) + ellipse(0, 0, bore), role: 'grip' }] : [];
  return [{ path: polygon(rim) + ellipse(0, 0, bore) + holes, role: 'main' }, ...hub];
}

function bolt(r: Random): Part[] {
  const [head, shaft] = [r.range(17, 24), r.range(8, 12)];
  const height = r.range(11, 17);
  const top = -44;
  const plain = r.range(0, 30);
  const turns = r.whole(5, 9);
  const from = top + height + plain;
  const step = (46 - from) / turns;
  const thread = Array.from(
    { length: turns * 2 + 1 },
    (_, i): Point => [shaft + (i % 2 === 0 ? -1.5 : 1.5), from + (i * step) / 2],
  );
  const body = symmetric([[shaft, top + height], ...thread]);
  const rings: Part[] = Array.from({ length: turns }, (_, i) => ({
    path: line([-shaft, from + (i + 0.75) * step], [shaft, from + (i + 0.25) * step]),
    role: 'mark',
    width: 1.5,
  }));
  const cap = r.pick([
    box(-head, top, head, top + height, 4),
    `${curve([-head, top + height], [-head, top - 5], [0, top - 5])}Q${at([head, top - 5])} ${at([head, top + height])}Z`,
    box(-head, top, head, top + height, 2),
  ]);
  const facets: Part[] = [-0.45, 0.45].map(x => ({
    path: line([x * head, top + 1], [x * head, top + height]),
    role: 'mark',
    width: 1.5,
  }));
  return [{ path: body, role: 'main' }, ...rings, { path: cap, role: r.chance(0.5) ? 'main' : 'grip' }, ...facets];
}

function spring(r: Random): Part[] {
  const turns = r.whole(4, 8);
  const wide = r.range(14, 22);
  const taper = r.range(0.6, 1.2);
  const [top, bottom] = [r.range(-40, -34), r.range(34, 40)];
  const steps = turns * 12;
  const coil = Array.from({ length: steps + 1 }, (_, i): Point => {
    const t = i / steps;
    const angle = t * turns * 2 * Math.PI;
    const radius = wide * (1 + (taper - 1) * t);
    return [radius * sin(angle), top + (bottom - top) * t + 4 * cos(angle)];
  });
  const width = r.range(3.2, 5);
  const hooks = r.chance(0.5)
    ? [ellipse(0, top - 6, 7), ellipse(0, bottom + 6, 7)]
    : [line([-wide, top + 4], [wide, top + 4]), line([-wide * taper, bottom + 4], [wide * taper, bottom + 4])];
  return [{ path: line(...coil), role: 'main', width }, ...hooks.map((path): Part => ({ path, role: 'main', width }))];
}

function key(r: Random): Part[] {
  const bow = r.range(13, 19);
  const cy = -48 + bow;
  const shaft = r.range(2.5, 4.5);
  const squash = r.range(0.75, 1.25);
  const hole = r.range(0.35, 0.6);
  const outline = r.pick([
    ellipse(0, cy, bow * squash, bow) + ellipse(0, cy, bow * squash * hole, bow * hole),
    box(-bow * squash, cy - bow, bow * squash, cy + bow, bow * 0.5) + ellipse(0, cy, bow * hole),
    [0, 1, 2].map(i => ellipse(...polar(0, cy, bow * 0.55, -Math.PI / 2 + (i - 1) * 1.9), bow * 0.5)).join(''),
  ]);
  const [long, count] = [r.range(9, 15), r.whole(2, 4)];
  const pitch = r.range(6, 8);
  const start = 47 - count * pitch;
  const bits = Array.from({ length: count }, (_, i) =>
    box(0, start + i * pitch, shaft + long * r.range(0.5, 1), start + (i + 0.62) * pitch),
  ).map((path): Part => ({ path, role: 'main' }));
  return [
    { path: outline, role: r.chance(0.5) ? 'main' : 'grip' },
    { path: box(-shaft, cy + bow * 0.8, shaft, 48, 1), role: 'main' },
    ...bits,
  ];
}

/** The ten classes, in the order of their labels. */
export const tools: readonly (readonly [name: string, draw: (r: Random) => Part[]])[] = [
  ['bolt', bolt],
  ['gear', gear],
  ['hammer', hammer],
  ['key', key],
  ['pliers', pliers],
  ['saw', saw],
  ['scissors', scissors],
  ['screwdriver', screwdriver],
  ['spring', spring],
  ['wrench', wrench],
];
