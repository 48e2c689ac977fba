import { bar, percent, table, thousands } from '../format.js';
import type { Contributions, Estimate, FrontPoint, Gain, Proved, SearchResult } from '../search/types.js';

const BAR = 24;
const PLOT_ROWS = 13;
const PLOT_COLUMNS = 64;
const PLOT_LABEL = 9;
const MARKS = { chosen: '●', found: '+', baseline: '○', random: '·' } as const;

/** A share with its standard error, in points: `81.4 +- 0.6 %`. */
export function accuracyText(found: Estimate | null): string {
  if (!found || found.seeds === 0) return '';
  const error = found.standardError === null ? '' : ` +- ${(found.standardError * 100).toFixed(1)}`;
  return `${(found.mean * 100).toFixed(1)}${error} %`;
}

function signed(value: number, digits: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(digits)}`;
}

function gainText({ loss, accuracy }: Gain): [string, string] {
  const text = ({ mean, standardError }: Estimate, scale: number, digits: number) =>
    signed(mean * scale, digits) + (standardError === null ? '' : ` +- ${(standardError * scale).toFixed(digits)}`);
  return [text(accuracy, 100, 1), text(loss, 1, 3)];
}

function largest(gains: readonly Gain[], criterion: Contributions['criterion']): number {
  return Math.max(1e-9, ...gains.map(({ [criterion]: gain }) => gain.mean));
}

/** The contributions of biases and single convolutions: one bar each, for a convolution that of its best share. */
export function contributionBars(contributions: Contributions, describe: (layer: number) => string): string {
  const { criterion, biases, base, layers, bits } = contributions;
  const most = largest(biases, criterion);
  const biasRows = biases.map(entry => [
    entry.bias === base ? '>' : '',
    `last ${entry.bias}`,
    ...gainText(entry),
    bar(entry[criterion].mean / most, BAR),
  ]);
  const top = largest(layers, criterion);
  const best = [...new Set(layers.map(({ layer }) => layer))].flatMap(layer => {
    const own = layers.filter(entry => entry.layer === layer);
    return own.sort((a, b) => b[criterion].mean - a[criterion].mean)[0] ?? [];
  });
  const layerRows = best.map(entry => [
    `conv ${entry.layer}`,
    describe(entry.layer),
    entry.share,
    ...gainText(entry),
    bar(entry[criterion].mean / top, BAR),
  ]);
  const bitRows = bits.map(entry => [`${entry.residualBits} bits`, ...gainText(entry)]);
  return [
    'gain from biases over the head: points of accuracy, decrease of loss',
    table(biasRows),
    '',
    'gain from a convolution over biases alone, with its best share: points of accuracy, decrease of loss',
    table(layerRows),
    ...(bits.length > 0 ? ['', 'gain from other residual bits over 4', table(bitRows)] : []),
  ].join('\n');
}

const INSTRUCTIONS = 'instructions';
const TIME = 'a step, about';

/** Instructions of a training step, `41.3 M`, as wide as the heading of their column. */
function millions(instructions: number): string {
  return `${(instructions / 1e6).toFixed(1)} M`.padStart(INSTRUCTIONS.length);
}

/** Likely milliseconds of a training step; nothing if they are not known. */
function time(milliseconds: number | null): string {
  return milliseconds === null ? '' : `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`.padStart(TIME.length);
}

function row(one: Proved, mark: string): (string | number)[] {
  return [
    mark,
    one.name,
    one.sram,
    millions(one.instructions),
    time(one.milliseconds),
    accuracyText(one.accuracy.validation),
    accuracyText(one.accuracy.test),
  ];
}

/** What `+-` stands for. */
const errorText = 'a +- b: mean and its standard error over seeds';

/** The finalists, with the winner last. */
export function triedTable(result: SearchResult): string {
  const winner = result.front.at(-1);
  const rows: (string | number)[][] = [['', 'scheme', 'SRAM', INSTRUCTIONS, TIME, 'validation', 'test']];
  for (const baseline of [...result.baselines].sort(
    (a, b) => a.accuracy.validation.mean - b.accuracy.validation.mean,
  )) {
    rows.push(row(baseline, ''));
  }
  if (winner) rows.push(row(winner, '>'));
  return `${table(rows)}\n${errorText}`;
}

/** `256k`, with one decimal if it is not a whole number. */
function kilobytes(bytes: number): string {
  return bytes % 1024 === 0 ? `${bytes / 1024}k` : `${(bytes / 1024).toFixed(1)}k`;
}

/** A drawing of rows and columns of characters; later characters cover earlier ones. */
class Grid {
  readonly #cells = Array.from({ length: PLOT_ROWS }, () => new Array<string>(PLOT_COLUMNS).fill(' '));
  readonly #low: readonly [number, number];
  readonly #span: readonly [number, number];

  constructor(x: readonly number[], y: readonly number[], least: readonly [number, number]) {
    this.#low = [Math.min(...x), Math.min(...y)];
    this.#span = [Math.max(least[0], Math.max(...x) - this.#low[0]), Math.max(least[1], Math.max(...y) - this.#low[1])];
  }

  column(x: number): number {
    return Math.round(((x - this.#low[0]) / this.#span[0]) * (PLOT_COLUMNS - 1));
  }

  put(x: number, y: number, mark: string): void {
    const row = PLOT_ROWS - 1 - Math.round(((y - this.#low[1]) / this.#span[1]) * (PLOT_ROWS - 1));
    const cells = this.#cells[row];
    if (cells) cells[this.column(x)] = mark;
  }

  /** Rows, preceded by their level. */
  rows(): string[] {
    return this.#cells.map((cells, i) => {
      const level = this.#low[1] + this.#span[1] * (1 - i / (PLOT_ROWS - 1));
      const label = i % 3 === 0 ? percent(level) : '';
      return `${label.padStart(PLOT_LABEL)} ${label === '' ? '│' : '┤'}${cells.join('').trimEnd()}`;
    });
  }
}

/** A plot of the accuracy of schemes against their SRAM, with budgets below: of those that were tested or, if the chosen ones were not, of all. */
function plot(front: readonly FrontPoint[], others: readonly Proved[]): string[] {
  const tested = front.every(({ accuracy }) => accuracy.test);
  const points = (of: readonly Proved[], mark: string) =>
    of.flatMap(({ sram, accuracy: { test, validation } }) => {
      const y = (tested ? test : validation)?.mean;
      return y === undefined ? [] : [{ x: sram, y, mark }];
    });
  const all = [
    ...(['random', 'baseline', 'found'] as const).flatMap(kind =>
      points(
        others.filter(other => other.kind === kind),
        MARKS[kind],
      ),
    ),
    ...points(front, MARKS.chosen),
  ];
  const budgets = front.map(({ budget }) => budget);
  const grid = new Grid(
    [...all.map(({ x }) => x), ...budgets],
    all.map(({ y }) => y),
    [1, 0.01],
  );
  for (const { x, y, mark } of all) grid.put(x, y, mark);
  const axis = new Array<string>(PLOT_COLUMNS).fill('─');
  let names = '';
  for (const budget of budgets) {
    const at = grid.column(budget);
    axis[at] = '┴';
    const name = kilobytes(budget);
    const from = at - name.length + 1;
    // A name that would overlap the previous one is omitted.
    if (from > names.length) names = names.padEnd(from) + name;
  }
  const legend = `${MARKS.chosen} chosen for a budget  ${MARKS.found} found  ${MARKS.baseline} baseline  ${MARKS.random} random`;
  return [
    `accuracy ${tested ? 'on the test split' : 'on held-back samples'} against SRAM    ${legend}`,
    ...grid.rows(),
    `${''.padEnd(PLOT_LABEL)} └${axis.join('')}`,
    `${''.padEnd(PLOT_LABEL)}  ${names}  budget`,
  ];
}

/** Accuracy against SRAM: a table and a plot. */
export function frontTable(front: readonly FrontPoint[], others: readonly Proved[] = []): string {
  const rows = front.map(point => [
    point.budget,
    point.sram,
    millions(point.instructions),
    time(point.milliseconds),
    accuracyText(point.accuracy.validation),
    accuracyText(point.accuracy.test),
    point.scheme,
  ]);
  const heads = ['budget', 'SRAM', INSTRUCTIONS, TIME, 'validation', 'test', 'scheme'];
  return [table([heads, ...rows]), '', ...plot(front, others)].join('\n');
}

/** One line on how well the sum of contributions predicted the trained result. */
export function predictionText({ prediction }: SearchResult): string {
  const { spearman, schemes } = prediction;
  return spearman === null
    ? ''
    : `sum of contributions against trained accuracy: rank correlation ${spearman.toFixed(2)} over ${schemes} schemes`;
}

/** The scheme found for a budget compared with the baselines and random schemes that fit it, over the same seeds. */
export function comparisonTable({ name, budget, comparisons }: FrontPoint): string {
  const others = comparisons.filter(({ kind }) => kind !== 'found');
  if (others.length === 0) return '';
  const rows = others.map(({ name: other, difference: { mean, standardError, seeds } }) => {
    const error = standardError === null ? '' : ` +- ${(standardError * 100).toFixed(1)}`;
    return [
      `over ${other}`,
      `${signed(mean * 100, 1)}${error}`,
      `${thousands(seeds)} paired seed${seeds === 1 ? '' : 's'}`,
    ];
  });
  return [`${name}, within ${thousands(budget)} B: points of test accuracy`, table(rows)].join('\n');
}
