import type { Contributions, Estimate, Gain } from '../search/types.js';

const HEIGHT = 220;
const LEFT = 56;
const TOP = 34;
const PITCH = 26;
const GAP = 70;
const BOTTOM = 44;
/** From the smallest share to all channels. */
const SHARES: readonly (readonly [share: string, color: string])[] = [
  ['1/8', '#c6dbef'],
  ['1/4', '#9ecae1'],
  ['1/2', '#4292c6'],
  ['1', '#084594'],
];

interface Scale {
  readonly y: (value: number) => number;
  readonly unit: (value: number) => string;
  readonly ticks: readonly number[];
}

function scaleOf(gains: readonly Gain[], criterion: Contributions['criterion']): Scale {
  const ends = gains.flatMap(({ [criterion]: { mean, standardError } }) => [
    mean + (standardError ?? 0),
    mean - (standardError ?? 0),
  ]);
  const [low, high] = [Math.min(0, ...ends), Math.max(1e-6, ...ends)];
  const y = (value: number) => TOP + ((high - value) / (high - low)) * HEIGHT;
  const unit = (value: number) =>
    criterion === 'loss' ? value.toFixed(high < 0.05 ? 3 : 2) : (value * 100).toFixed(1);
  return { y, unit, ticks: [0, high / 2, high] };
}

const text = (x: number, y: number, content: string, anchor = 'middle'): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${content}</text>`;

const line = (x1: number, y1: number, x2: number, y2: number, color = '#444'): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${color}"/>`;

function axis(left: number, right: number, { y, unit, ticks }: Scale, title: string): string[] {
  return [
    text((left + right) / 2, TOP - 16, title),
    ...ticks.map(tick => line(left, y(tick), right, y(tick), '#ddd') + text(left - 4, y(tick) + 4, unit(tick), 'end')),
    line(left, y(0), right, y(0)),
  ];
}

function error(x: number, { mean, standardError }: Estimate, { y }: Scale): string {
  return standardError === null ? '' : line(x, y(mean - standardError), x, y(mean + standardError), '#d62728');
}

function biasPanel({ biases, criterion, base }: Contributions, left: number, width: number): string[] {
  const scale = scaleOf(biases, criterion);
  const deepest = Math.max(1, ...biases.map(({ bias }) => bias));
  const x = (k: number) => left + (k / deepest) * width;
  const points = [
    `${x(0).toFixed(1)},${scale.y(0).toFixed(1)}`,
    ...biases.map(b => `${x(b.bias).toFixed(1)},${scale.y(b[criterion].mean).toFixed(1)}`),
  ];
  const labels = biases.map((b, i) => (i % 2 === 0 ? text(x(b.bias), TOP + HEIGHT + 16, String(b.bias)) : ''));
  return [
    ...axis(left, left + width, scale, 'biases of the last k, over the head alone'),
    `<polyline points="${points.join(' ')}" fill="none" stroke="#084594" stroke-width="1.5"/>`,
    ...biases.map(b => error(x(b.bias), b[criterion], scale)),
    ...biases.map(
      b =>
        `<circle cx="${x(b.bias).toFixed(1)}" cy="${scale.y(b[criterion].mean).toFixed(1)}" r="${b.bias === base ? 5 : 2.5}" fill="#084594"/>`,
    ),
    ...labels,
    text(left + width / 2, TOP + HEIGHT + 34, 'k'),
  ];
}

function layerPanel({ layers, criterion }: Contributions, left: number): string[] {
  const scale = scaleOf(layers, criterion);
  const numbers = [...new Set(layers.map(({ layer }) => layer))].sort((a, b) => a - b);
  const width = (PITCH - 6) / 4;
  const bars = layers.flatMap(entry => {
    const place = SHARES.findIndex(([share]) => share === entry.share);
    const x = left + numbers.indexOf(entry.layer) * PITCH + 3 + place * width;
    const { mean } = entry[criterion];
    const [top, bottom] = [Math.min(scale.y(mean), scale.y(0)), Math.max(scale.y(mean), scale.y(0))];
    return [
      `<rect x="${x.toFixed(1)}" y="${top.toFixed(1)}" width="${(width - 0.5).toFixed(1)}" height="${(bottom - top).toFixed(1)}" fill="${SHARES[place]?.[1]}"/>`,
      error(x + width / 2, entry[criterion], scale),
    ];
  });
  const right = left + numbers.length * PITCH;
  const legend = SHARES.flatMap(([share, color], i) => [
    `<rect x="${left + 8}" y="${TOP + 6 + i * 15}" width="10" height="10" fill="${color}"/>`,
    text(left + 22, TOP + 15 + i * 15, `${share} of the channels`, 'start'),
  ]);
  return [
    ...axis(left, right, scale, 'a convolution, over biases alone'),
    ...bars,
    ...numbers.map((layer, i) => text(left + (i + 0.5) * PITCH, TOP + HEIGHT + 16, String(layer))),
    text((left + right) / 2, TOP + HEIGHT + 34, 'convolution'),
    ...legend,
  ];
}

/** A figure of an analysis as SVG: the gains from biases and single convolutions, with standard errors. */
export function contributionFigure(contributions: Contributions): string {
  const { criterion, layers } = contributions;
  const bias = 260;
  const second = LEFT + bias + GAP;
  const width = second + new Set(layers.map(({ layer }) => layer)).size * PITCH + 16;
  const height = TOP + HEIGHT + BOTTOM;
  const unit = criterion === 'loss' ? 'decrease of mean loss' : 'points of accuracy';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text transform="translate(14 ${TOP + HEIGHT / 2}) rotate(-90)" text-anchor="middle">${unit}, held-back samples</text>`,
    ...biasPanel(contributions, LEFT, bias),
    ...layerPanel(contributions, second),
    '</svg>',
    '',
  ].join('\n');
}
