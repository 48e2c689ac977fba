import type { SearchResult } from '../search/types.js';
import type { RunResult } from '../train/types.js';
import { curveRows } from './curve.js';
import { trainedSchemes } from './trained.js';

type Cell = string | number | null | undefined;

function cellText(cell: Cell): string {
  const text = String(cell ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A table as RFC 4180 has it, but with plain line ends: the first line names the columns; what is not known is empty. */
export function csvText(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [columns, ...rows].map(row => `${row.map(cellText).join(',')}\n`).join('');
}

/**
 * The learning curves of runs: one row per point, which is the mean over the steps since the point before (`loss`, `accuracy`, before each update), and per look
 * at held-out samples (`held_out_loss`, `held_out_accuracy`, after that step). Rows without the one or the other leave it empty.
 */
export function runsCsv(runs: readonly RunResult[]): string {
  const rows = runs.flatMap(run => {
    return curveRows(run).map(({ step, point, look }) => {
      return [run.seed, step, point?.loss, point?.accuracy, look?.loss, look?.accuracy];
    });
  });
  return csvText(['seed', 'step', 'loss', 'accuracy', 'held_out_loss', 'held_out_accuracy'], rows);
}

/**
 * Every scheme that a search has trained: one row per scheme, residual bits, number of steps and split on which it was measured, with mean and standard error over
 * seeds. Name, kind, instructions and milliseconds are those of finalists.
 */
export function searchCsv(result: SearchResult): string {
  const rows = trainedSchemes(result).map(one => [
    ...[one.scheme, one.residualBits, one.on, one.steps, one.accuracy.seeds],
    ...[one.accuracy.mean, one.accuracy.standardError, one.loss.mean, one.loss.standardError],
    ...[one.name, one.kind, one.sram, one.instructions, one.milliseconds],
  ]);
  const columns = [
    ...['scheme', 'residual_bits', 'on', 'steps', 'seeds'],
    ...['accuracy_mean', 'accuracy_standard_error', 'loss_mean', 'loss_standard_error'],
    ...['name', 'kind', 'sram', 'instructions', 'milliseconds'],
  ];
  return csvText(columns, rows);
}
