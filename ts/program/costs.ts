import { dirname, resolve } from 'node:path';
import { fileError, messageOf, TinytrainError } from '../errors.js';
import { makeFolder, readIfThere, replaceFile } from '../files.js';
import { call, native } from '../native.js';
import { version } from '../version.js';
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

function notCosts(path: string, why: string): TinytrainError {
  const help = ['`npx tinytrain run FIRMWARE --calibrate FILE` writes one'];
  return new TinytrainError('COSTS_INVALID', `${path}: not a table of costs${why}`, { path, help });
}

/** The table in a file, as `run --calibrate` writes it; undefined where there is no such file. */
export async function costsIfThere(path: string): Promise<CostTable | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  let costs: CostTable | undefined;
  try {
    ({ costs } = JSON.parse(text) as { costs?: CostTable });
  } catch (error) {
    throw notCosts(path, `: ${messageOf(error)}`);
  }
  if (typeof costs !== 'object' || costs === null) throw notCosts(path, '');
  call(() => native().checkCosts(text), path);
  return costs;
}

/** The table in a file, as `run --calibrate` writes it. */
export async function readCosts(path: string): Promise<CostTable> {
  const costs = await costsIfThere(path);
  if (costs) return costs;
  throw fileError(Object.assign(new Error(), { code: 'ENOENT' }), path, 'cannot be read');
}

/** Writes a table that `search --costs` takes. */
export async function writeCosts(path: string, costs: CostTable): Promise<void> {
  const lines = Object.entries(costs).map(([kind, cost]) => `    ${JSON.stringify(kind)}: ${JSON.stringify(cost)}`);
  await makeFolder(dirname(resolve(path)));
  await replaceFile(path, `{\n  "tinytrain": "${version}",\n  "costs": {\n${lines.join(',\n')}\n  }\n}\n`);
}

/** What each step of a Program does. */
export function workOf(program: Program): readonly Work[] {
  return JSON.parse(program.handle.work()) as Work[];
}

/** Predicted instructions of a training step, with the sample in its place. */
export function instructionsOfStep(program: Program, costs?: CostTable | null): number {
  return call(() => program.handle.instructions(costText(costs)));
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** A table scaled, kind by kind, so that it predicts what was measured of some steps in sum. Kinds that were not measured stay as they are. */
export function calibrated(
  table: CostTable,
  measured: readonly (Work & { readonly instructions: number })[],
): CostTable {
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
