import type { Contributions, Estimate, Gain } from '../search/types.js';
import { line, place, rect, text } from './svg.js';
import { ticksOf } from './ticks.js';

const HEIGHT = 220;
const LEFT = 62;
const TOP = 66;
const PITCH = 26;
const GAP = 84;
const BOTTOM = 62;
const BIAS_WIDTH = 280;
/** Width of an entry of the legend. */
const ENTRY = 46;
/** From the smallest share to all channels. */
const SHARES: readonly (readonly [share: string, color: string])[] = [
  ['1/8', '#c6dbef'],
  ['1/4', '#9ecae1'],
  ['1/2', '#4292c6'],
  ['1', '#084594'],
];
const DARK = '#084594';
const MARK = '#b30000';

/** From a gain to its place, and the marks of its axis. */
interface Scale {
  readonly y: (value: number) => number;
  readonly marks: readonly { readonly at: number; readonly text: string }[];
}

function scaleOf(gains: readonly Gain[], criterion: Contributions['criterion']): Scale {
  const ends = gains.flatMap(({ [criterion]: { mean, standardError } }) => [
    mean + (standardError ?? 0),
    mean - (standardError ?? 0),
  ]);
  const [low, high] = [Math.min(0, ...ends), Math.max(1e-6, ...ends)];
  const y = (value: number) => TOP + ((high - value) / (high - low)) * HEIGHT;
  // Accuracy in points.
  const unit = criterion === 'loss' ? 1 : 100;
  const { values, digits } = ticksOf(low * unit, high * unit, 6);
  return { y, marks: values.map(value => ({ at: value / unit, text: value.toFixed(digits) })) };
}

/** A panel's title, marks and label of the value axis, and the line of zero. */
function axes(left: number, right: number, { y, marks }: Scale, title: string, unit: string): string[] {
  const label = `translate(${place(left - 46)} ${TOP + HEIGHT / 2}) rotate(-90)`;
  return [
    text(left, TOP - 38, title, 'start', ' font-weight="bold"'),
    `<text transform="${label}" text-anchor="middle">${unit}</text>`,
    ...marks.map(mark => line(left, y(mark.at), right, y(mark.at), 'grid', '#ddd')),
    ...marks.map(mark => text(left - 5, y(mark.at) + 4, mark.text, 'end')),
    line(left, y(0), right, y(0), 'axis', '#444'),
  ];
}

function error(x: number, { mean, standardError }: Estimate, { y }: Scale): string {
  return standardError === null ? '' : line(x, y(mean - standardError), x, y(mean + standardError), 'error', '#d95f0e');
}

/** A mark below the axis under what was chosen. */
function chosenMark(x: number): string {
  const y = TOP + HEIGHT + 22;
  return `<path class="chosen" d="M${place(x)} ${y}l5 8h-10z" fill="${MARK}"/>`;
}

function biasPanel(contributions: Contributions, chosen: Chosen, unit: string): string[] {
  const { biases, criterion } = contributions;
  const scale = scaleOf(biases, criterion);
  const deepest = Math.max(1, ...biases.map(({ bias }) => bias));
  const x = (k: number) => LEFT + (k / deepest) * BIAS_WIDTH;
  const points = [
    `${place(x(0))},${place(scale.y(0))}`,
    ...biases.map(b => `${place(x(b.bias))},${place(scale.y(b[criterion].mean))}`),
  ];
  return [
    ...axes(LEFT, LEFT + BIAS_WIDTH, scale, 'Biases of the last k convolutions, over the head alone', unit),
    `<polyline class="curve" points="${points.join(' ')}" fill="none" stroke="${DARK}" stroke-width="1.5"/>`,
    ...biases.map(b => error(x(b.bias), b[criterion], scale)),
    ...biases.map(
      b =>
        `<circle class="point" cx="${place(x(b.bias))}" cy="${place(scale.y(b[criterion].mean))}" r="3" fill="${DARK}"/>`,
    ),
    ...ticksOf(0, deepest, 8).values.map(k => text(x(k), TOP + HEIGHT + 16, String(k))),
    ...(chosen.bias > 0 && chosen.bias <= deepest ? [chosenMark(x(chosen.bias))] : []),
    text(LEFT + BIAS_WIDTH / 2, TOP + HEIGHT + 46, 'k'),
  ];
}

function layerPanel({ layers, criterion }: Contributions, chosen: Chosen, left: number, unit: string): string[] {
  const scale = scaleOf(layers, criterion);
  const numbers = [...new Set(layers.map(({ layer }) => layer))].sort((a, b) => a - b);
  const middle = (layer: number) => left + (numbers.indexOf(layer) + 0.5) * PITCH;
  const width = (PITCH - 6) / 4;
  const bars = layers.flatMap(entry => {
    const position = SHARES.findIndex(([share]) => share === entry.share);
    const x = middle(entry.layer) + (position - 2) * width;
    const { mean } = entry[criterion];
    const [top, bottom] = [Math.min(scale.y(mean), scale.y(0)), Math.max(scale.y(mean), scale.y(0))];
    const bar = rect(x, top, width - 0.5, bottom - top, `share${position}`, SHARES[position]?.[1] ?? DARK);
    return [bar, error(x + width / 2, entry[criterion], scale)];
  });
  const right = left + numbers.length * PITCH;
  const legend = SHARES.flatMap(([share, color], i) => [
    rect(left + i * ENTRY, TOP - 28, 10, 10, `share${i}`, color),
    text(left + i * ENTRY + 14, TOP - 19, share, 'start'),
  ]);
  return [
    ...axes(left, right, scale, 'Weights of one convolution, over biases alone', unit),
    ...bars,
    ...numbers.map(layer => text(middle(layer), TOP + HEIGHT + 16, String(layer))),
    ...numbers.filter(layer => chosen.layers.has(layer)).map(layer => chosenMark(middle(layer))),
    text((left + right) / 2, TOP + HEIGHT + 46, 'convolution'),
    ...legend,
    text(left + SHARES.length * ENTRY, TOP - 19, 'of its input channels', 'start'),
  ];
}

/** What a scheme trains. */
interface Chosen {
  readonly bias: number;
  readonly layers: ReadonlySet<number>;
}

function chosenBy(scheme: string | undefined): Chosen {
  const parts = (scheme ?? '').split(',').map(part => part.split(':'));
  const bias = Number(parts.find(([key]) => key === 'bias')?.[1] ?? 0);
  return { bias, layers: new Set(parts.flatMap(([key = '']) => (/^\d+$/.test(key) ? [Number(key)] : []))) };
}

/**
 * A figure of an analysis as SVG: the gains from biases and from single convolutions with their standard errors, on held-back samples. `scheme`, in canonical form,
 * marks what it trains.
 */
export function contributionFigure(contributions: Contributions, scheme?: string): string {
  const { criterion, layers } = contributions;
  const chosen = chosenBy(scheme);
  const second = LEFT + BIAS_WIDTH + GAP;
  // Title and legend of the second panel need their width however few convolutions there are.
  const width = second + Math.max(320, new Set(layers.map(({ layer }) => layer)).size * PITCH) + 16;
  const height = TOP + HEIGHT + BOTTOM;
  const unit = criterion === 'loss' ? 'decrease of mean loss' : 'gain in accuracy, points';
  const marked = chosen.bias > 0 || chosen.layers.size > 0;
  const notes = `lines: mean plus and minus its standard error${marked ? '; triangles: chosen' : ''}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="contributions" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11" role="img">`,
    '<title>Contributions of biases and convolutions</title>',
    `<rect class="paper" width="${width}" height="${height}" fill="#fff"/>`,
    text(LEFT, 14, `Contributions on held-back samples (${notes})`, 'start'),
    ...biasPanel(contributions, chosen, unit),
    ...layerPanel(contributions, chosen, second, unit),
    '</svg>',
    '',
  ].join('\n');
}
