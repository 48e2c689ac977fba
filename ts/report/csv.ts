import { defaultResidualBits } from '../defaults.js';
import { estimate } from '../search/statistics.js';
import type { Finalist, SearchResult, TrialRecord } from '../search/types.js';
import type { RunResult } from '../train/types.js';

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
  const rows = runs.flatMap(({ seed, curve, heldOut }) => {
    const steps = [...new Set([...curve, ...heldOut.points].map(({ step }) => step))].sort((a, b) => a - b);
    return steps.map(step => {
      const point = curve.find(one => one.step === step);
      const look = heldOut.points.find(one => one.step === step);
      return [seed, step, point?.loss, point?.accuracy, look?.loss, look?.accuracy];
    });
  });
  return csvText(['seed', 'step', 'loss', 'accuracy', 'held_out_loss', 'held_out_accuracy'], rows);
}

/** The training runs of a scheme that differ in nothing but their seed. */
function trainedOf({ trials }: SearchResult): readonly (readonly TrialRecord[])[] {
  const groups = new Map<string, TrialRecord[]>();
  for (const trial of trials) {
    const { scheme, residualBits, steps, on } = trial;
    const key = JSON.stringify([scheme, residualBits, steps, on]);
    groups.set(key, [...(groups.get(key) ?? []), trial]);
  }
  return [...groups.values()];
}

/** Bytes of SRAM of the schemes of an analysis. */
function analysed({ contributions: { biases, layers } }: SearchResult): ReadonlyMap<string, number> {
  return new Map([
    ...biases.map(one => [`bias:${one.bias}`, one.sram] as const),
    ...layers.map(one => [`bias:${one.biases},${one.layer}:${one.share}`, one.sram] as const),
  ]);
}

/**
 * Every scheme that a search has trained: one row per scheme, residual bits, number of steps and split on which it was measured, with mean and standard error over
 * seeds. Name, kind, instructions and milliseconds are those of finalists.
 */
export function searchCsv(result: SearchResult): string {
  const { front, baselines, plan } = result;
  const finalists: readonly Finalist[] = [...front, ...baselines];
  const usualBits = plan.residualBits === 'any' ? defaultResidualBits : plan.residualBits;
  const sizes = analysed(result);
  const rows = trainedOf(result).flatMap(trials => {
    const [first] = trials;
    if (!first) return [];
    const { scheme, residualBits, steps, on } = first;
    const finalist = finalists.find(one => one.scheme === scheme && one.residualBits === residualBits);
    const sram = finalist?.sram ?? (residualBits === usualBits ? sizes.get(scheme) : undefined);
    const accuracy = estimate(trials.map(trial => trial.accuracy));
    const loss = estimate(trials.map(trial => trial.loss));
    return [
      [
        ...[scheme, residualBits, on, steps, trials.length],
        ...[accuracy.mean, accuracy.standardError, loss.mean, loss.standardError],
        ...[finalist?.name, finalist?.kind, sram, finalist?.instructions, finalist?.milliseconds],
      ],
    ];
  });
  const columns = [
    ...['scheme', 'residual_bits', 'on', 'steps', 'seeds'],
    ...['accuracy_mean', 'accuracy_standard_error', 'loss_mean', 'loss_standard_error'],
    ...['name', 'kind', 'sram', 'instructions', 'milliseconds'],
  ];
  return csvText(columns, rows);
}
