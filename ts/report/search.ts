import { bar, percent, table, thousands } from '../format.js';
import type { Contributions, Estimate, FrontPoint, Gain, Proved, SearchResult } from '../search/types.js';

const BAR = 24;
const PLOT_ROWS = 8;
const PLOT_COLUMN = 8;

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

/** What updating biases and single convolutions is worth: a bar each, for a convolution that of its best share. */
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
    'what biases add to the head: points of accuracy, loss less',
    table(biasRows),
    '',
    `what a convolution adds to ${base > 0 ? `biases of the last ${base}` : 'the head'}, at its best share: points of accuracy, loss less`,
    table(layerRows),
    ...(bits.length > 0 ? ['', 'what other residual bits add to 4', table(bitRows)] : []),
  ].join('\n');
}

/** Instructions of a training step: `41.3 M`. */
export function millions(instructions: number): string {
  return `${(instructions / 1e6).toFixed(1)} M`;
}

function row(one: Proved, mark: string): (string | number)[] {
  return [mark, one.name, one.sram, millions(one.instructions), accuracyText(one.accuracy.validation), accuracyText(one.accuracy.test)];
}

/** What was trained in earnest, the winner last. */
export function triedTable(result: SearchResult): string {
  const winner = result.front.at(-1);
  const rows: (string | number)[][] = [['', 'what was tried', 'SRAM', 'instructions', 'validation', 'test']];
  for (const baseline of [...result.baselines].sort(
    (a, b) => a.accuracy.validation.mean - b.accuracy.validation.mean,
  )) {
    rows.push(row(baseline, ''));
  }
  if (winner) rows.push(row(winner, '>'));
  return table(rows);
}

function plot(front: readonly FrontPoint[]): string[] {
  const values = front.map(({ accuracy }) => (accuracy.test ?? accuracy.validation).mean);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = Math.max(0.01, high - low);
  const lines = Array.from({ length: PLOT_ROWS }, (_, i) => {
    const level = high - (span * i) / (PLOT_ROWS - 1);
    const cells = values.map(value =>
      (Math.round(((high - value) / span) * (PLOT_ROWS - 1)) === i ? '●' : '').padStart(PLOT_COLUMN),
    );
    return `${percent(level).padStart(9)} ${cells.join('')}`;
  });
  const axis = front.map(({ sram }) => `${(sram / 1024).toFixed(0)}k`.padStart(PLOT_COLUMN)).join('');
  return [...lines, `${' '.repeat(10)}${axis}  SRAM`];
}

/** Accuracy against SRAM: a table and a plot. */
export function frontTable(front: readonly FrontPoint[]): string {
  const rows = front.map(point => [
    point.budget,
    point.sram,
    accuracyText(point.accuracy.validation),
    accuracyText(point.accuracy.test),
    point.scheme,
  ]);
  return [table([['budget', 'SRAM', 'validation', 'test', 'scheme'], ...rows]), '', ...plot(front)].join('\n');
}

/** One line on how well the sum of contributions ordered what was then trained. */
export function predictionText({ prediction }: SearchResult): string {
  const { spearman, schemes } = prediction;
  return spearman === null
    ? ''
    : `sum of contributions against trained accuracy: rank correlation ${spearman.toFixed(2)} over ${schemes} schemes`;
}

/** How a scheme compares with another over the same seeds. */
export function differenceText(name: string, difference: Estimate | null): string {
  if (!difference) return '';
  const error = difference.standardError === null ? '' : ` +- ${(difference.standardError * 100).toFixed(1)}`;
  return `${signed(difference.mean * 100, 1)}${error} points of test accuracy over ${name}, ${thousands(difference.seeds)} paired seed${difference.seeds === 1 ? '' : 's'}`;
}
