import { dirname, resolve } from 'node:path';
import { fileError } from '../errors.js';
import { makeFolder, readIfThere, replaceFile } from '../files.js';
import { call, native } from '../native.js';
import { version } from '../version.js';
import { defaultTarget } from './memory.js';
import type { Program } from './program.js';

/** Instructions of a call, of an element brought into order, of an element yielded, and of a product. */
export type KindCosts = readonly [number, number, number, number];

/** Instructions by kind of step on a core; see `costTable()` for the kinds there are. */
export interface CostTable {
  readonly core: string;
  readonly costs: Readonly<Record<string, KindCosts>>;
}

/** What a step does. */
export interface Work {
  /** Which loops of its kernel run. */
  readonly kind: string;
  /** Calls (one), elements brought into order, elements yielded, products. */
  readonly terms: KindCosts;
}

/** The costs that this version measured on the core of a board; without any kind where the core is not shipped. */
export function costTable(target: string = defaultTarget): CostTable {
  return JSON.parse(call(() => native().builtInCosts(target))) as CostTable;
}

/** The text that the native side takes: undefined for the costs that are built in. */
export function costText(costs: CostTable | null | undefined): string | undefined {
  return costs ? JSON.stringify(costs) : undefined;
}

/** The table in a file, as `run --calibrate` writes it; undefined where there is no such file. */
export async function costsIfThere(path: string): Promise<CostTable | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  call(() => native().checkCosts(text), path);
  const { core, costs } = JSON.parse(text) as CostTable;
  return { core, costs };
}

/** The table in a file, as `run --calibrate` writes it. */
export async function readCosts(path: string): Promise<CostTable> {
  const costs = await costsIfThere(path);
  if (costs) return costs;
  throw fileError(Object.assign(new Error(), { code: 'ENOENT' }), path, 'cannot be read');
}

/** Writes a table that `search --costs` takes. */
export async function writeCosts(path: string, { core, costs }: CostTable): Promise<void> {
  const lines = Object.entries(costs).map(([kind, cost]) => `    ${JSON.stringify(kind)}: ${JSON.stringify(cost)}`);
  await makeFolder(dirname(resolve(path)));
  await replaceFile(
    path,
    `{\n  "tinytrain": "${version}",\n  "core": ${JSON.stringify(core)},\n  "costs": {\n${lines.join(',\n')}\n  }\n}\n`,
  );
}

/** What each step of a Program does. */
export function workOf(program: Program): readonly Work[] {
  return JSON.parse(program.handle.work()) as Work[];
}

/**
 * Predicted instructions of a training step, with the sample in its place, on the core of a board: by default the one that the Program was compiled
 * for. Throws `COSTS_MISSING` where there are no costs of that core, neither built in nor given.
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

/** A table scaled, kind by kind, so that it predicts what was measured of some steps in sum. Kinds that were not measured stay as they are. */
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
    // Where nothing is known of a kind, all of it counts as the call.
    const each = costs && predicted > 0 ? costs.map(cost => (cost * found) / predicted) : [found / own.length, 0, 0, 0];
    const [a = 0, b = 0, c = 0, d = 0] = each.map(cost => Number(cost.toPrecision(6)));
    result[kind] = [a, b, c, d];
  }
  return { core: table.core, costs: result };
}
