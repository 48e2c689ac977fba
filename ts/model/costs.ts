import { promises as fs } from 'node:fs';
import { fileError, messageOf, TinytrainError } from '../errors.js';
import { call, native } from '../native.js';
import type { Program } from './program.js';

/** Instructions of a call, of an element brought into order, of an element yielded, and of a product. */
export type KindCosts = readonly [number, number, number, number];

/** Instructions by kind of step; see `costTable()` for the kinds there are. */
export type CostTable = Readonly<Record<string, KindCosts>>;

/** What a step does. */
export interface Work {
  /** Which loops of its kernel run. */
  readonly kind: string;
  /** Calls (one), elements brought into order, elements yielded, products. */
  readonly terms: KindCosts;
}

/** The table that this version was measured with. */
export function costTable(): CostTable {
  return (JSON.parse(call(() => native().builtInCosts())) as { costs: CostTable }).costs;
}

/** What the native side takes: a table as text, or nothing for the one that is built in. */
export function costText(costs: CostTable | null | undefined): string | undefined {
  return costs ? JSON.stringify({ costs }) : undefined;
}

/** Reads a table that `run --calibrate` wrote. */
export async function readCosts(path: string): Promise<CostTable> {
  let text: string;
  try {
    text = await fs.readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path, 'the table of costs cannot be read');
  }
  try {
    const { costs } = JSON.parse(text) as { costs?: CostTable };
    if (typeof costs === 'object' && costs !== null) {
      call(() => native().checkCosts(text), path);
      return costs;
    }
  } catch (error) {
    if (error instanceof TinytrainError) throw error;
    throw new TinytrainError('COSTS_INVALID', `${path}: not a JSON file: ${messageOf(error)}`, { path }, error);
  }
  throw new TinytrainError('COSTS_INVALID', `${path}: not a table of costs; \`tinytrain run --calibrate\` writes one`, {
    path,
  });
}

/** What each step of a Program does. */
export function workOf(program: Program): readonly Work[] {
  return JSON.parse(program.handle.work()) as Work[];
}

/** Predicted instructions of a training step, with the picture in its place. */
export function instructionsOfStep(program: Program, costs?: CostTable | null): number {
  return call(() => program.handle.instructions(costText(costs)));
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** A table scaled, kind by kind, so that it predicts what was measured of some steps in sum. Kinds that were not measured stay as they are. */
export function calibrated(table: CostTable, measured: readonly (Work & { readonly instructions: number })[]): CostTable {
  const result: Record<string, KindCosts> = { ...table };
  for (const kind of new Set(measured.map(step => step.kind))) {
    const costs = table[kind];
    const own = measured.filter(step => step.kind === kind);
    const found = sum(own.map(({ instructions }) => instructions));
    const predicted = costs ? sum(own.flatMap(({ terms }) => terms.map((term, i) => term * (costs[i] ?? 0)))) : 0;
    // Where nothing is known of a kind, all of it counts as the call.
    const each = costs && predicted > 0 ? costs.map(cost => (cost * found) / predicted) : [found / own.length, 0, 0, 0];
    const [a = 0, b = 0, c = 0, d = 0] = each.map(cost => Number(cost.toPrecision(6)));
    result[kind] = [a, b, c, d];
  }
  return result;
}
