import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { fileError, TinytrainError } from '../errors.js';
import { makeFolder, readIfThere, replaceFile } from '../files.js';
import { parsed } from '../json.js';
import { call, native, recordOf } from '../native.js';
import { version } from '../version.js';
import { defaultTarget } from './memory.js';
import type { Program } from './program.js';

/** Instructions per call, per gathered element, per output element and per product. */
export type KindCosts = readonly [number, number, number, number];

/** Instructions by kind of step on a core; `costTable()` lists the kinds. */
export interface CostTable {
  readonly core: string;
  readonly costs: Readonly<Record<string, KindCosts>>;
}

/** The work of a step. */
export interface Work {
  /** Its kind: the loops of its kernel that run. */
  readonly kind: string;
  /** Number of calls (one), gathered elements, output elements and products. */
  readonly terms: KindCosts;
}

/** The built-in cost table for the core of a board; empty if the core is not shipped. */
export function costTable(target: string = defaultTarget): CostTable {
  return recordOf<CostTable>(call(() => native().builtInCosts(target)));
}

/** The text for the addon; undefined for the built-in costs. */
export function costText(costs: CostTable | null | undefined): string | undefined {
  return costs ? JSON.stringify(costs) : undefined;
}

const instructions = v.pipe(v.number(), v.finite(), v.minValue(0));

/** Schema of a table that was read from a file. */
export const costTableSchema: v.GenericSchema<unknown, CostTable> = v.object({
  core: v.string(),
  costs: v.record(v.string(), v.tuple([instructions, instructions, instructions, instructions])),
});

/** The cost table in a file written by `run --calibrate`; undefined if the file does not exist. Throws `COSTS_INVALID`. */
export async function costsIfThere(path: string): Promise<CostTable | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const costs = parsed(text, costTableSchema, (why, cause) => {
    const help = ['`npx tinytrain run FIRMWARE --calibrate FILE` writes one'];
    return new TinytrainError('COSTS_INVALID', `${path}: not a cost table: ${why}`, { path, help }, cause);
  });
  call(() => native().checkCosts(text), path);
  return costs;
}

/** The cost table in a file written by `run --calibrate`. */
export async function readCosts(path: string): Promise<CostTable> {
  const costs = await costsIfThere(path);
  if (costs) return costs;
  throw fileError(Object.assign(new Error(), { code: 'ENOENT' }), path, 'cannot be read');
}

/** Writes a cost table for `search --costs`. */
export async function writeCosts(path: string, { core, costs }: CostTable): Promise<void> {
  const lines = Object.entries(costs).map(([kind, cost]) => `    ${JSON.stringify(kind)}: ${JSON.stringify(cost)}`);
  await makeFolder(dirname(resolve(path)));
  await replaceFile(
    path,
    `{\n  "tinytrain": "${version}",\n  "core": ${JSON.stringify(core)},\n  "costs": {\n${lines.join(',\n')}\n  }\n}\n`,
  );
}

/** The work of each step of a Program. */
export function workOf(program: Program): readonly Work[] {
  return recordOf<Work[]>(program.handle.work());
}

/**
 * Predicted instructions of a training step, with the sample already in its place, on the core of a board: by default the board for which the Program was
 * compiled. Throws `COSTS_MISSING` if there are no costs for that core, neither built in nor given.
 */
export function instructionsOfStep(
  program: Program,
  costs?: CostTable | null,
  target: string = program.limits.target ?? defaultTarget,
): number {
  return call(() => program.handle.instructions(target, costText(costs)));
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** Scales a table, kind by kind, so that it predicts the measured total of the given steps. Kinds that were not measured remain unchanged. */
export function calibrated(
  table: CostTable,
  measured: readonly (Work & { readonly instructions: number })[],
): CostTable {
  const result: Record<string, KindCosts> = { ...table.costs };
  for (const kind of new Set(measured.map(step => step.kind))) {
    const costs = table.costs[kind];
    const own = measured.filter(step => step.kind === kind);
    const found = sum(own.map(({ instructions }) => instructions));
    const predicted = costs ? sum(own.flatMap(({ terms }) => terms.map((term, i) => term * (costs[i] ?? 0)))) : 0;
    // For an unknown kind, everything counts as the cost of the call.
    const each = costs && predicted > 0 ? costs.map(cost => (cost * found) / predicted) : [found / own.length, 0, 0, 0];
    const [a = 0, b = 0, c = 0, d = 0] = each.map(cost => Number(cost.toPrecision(6)));
    result[kind] = [a, b, c, d];
  }
  return { core: table.core, costs: result };
}
