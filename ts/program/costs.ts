import * as v from 'valibot';
import { TinytrainError } from '../errors.js';
import { call, native, recordOf } from '../native.js';
import { defaultTarget } from './memory.js';
import type { Program } from './program.js';

/** Instructions per call, per gathered element, per output element and per product. */
export type KindCosts = readonly [number, number, number, number];

/** Cycles per instruction: low, likely, high. */
export type KindCycles = readonly [number, number, number];

/** Instructions by kind of step on a core, and cycles per instruction; `costTable()` lists the kinds. */
export interface CostTable {
  readonly core: string;
  readonly costs: Readonly<Record<string, KindCosts>>;
  /** Absent if they are not known; a kind that is missing takes those of `all`. */
  readonly cycles?: Readonly<Record<string, KindCycles>> | undefined;
  /** Whether `cycles` was scaled to what a board's own counter said; otherwise it is modelled. */
  readonly measured?: boolean | undefined;
}

/** Milliseconds: the least, the likely and the most that the model gives; all three equal where they were measured. */
export interface Milliseconds {
  readonly low: number;
  readonly likely: number;
  readonly high: number;
}

/** The time of something on a board. */
export interface Time {
  readonly milliseconds: Milliseconds;
  /** Clock of the core for which they hold. */
  readonly clockHz: number;
  /** `measured`: by the board's own counter, or scaled to it; `modelled`: by a model of the core's pipeline (docs/time.md). */
  readonly source: 'modelled' | 'measured';
}

/** One value for a prediction and one for a training step. */
export interface PerPass<T> {
  readonly inference: T;
  readonly trainStep: T;
}

/** What a Program is predicted to take on a board. */
export interface Estimate {
  readonly instructions: PerPass<number>;
  /** Null if no cycles are known of the board's core. */
  readonly time: PerPass<Time> | null;
  /** Each step of a training step, in order of execution. */
  readonly steps: readonly StepEstimate[];
}

/** One step of a Program as predicted. */
export interface StepEstimate {
  readonly label: string;
  /** The loops of its kernel that run. */
  readonly kind: string;
  readonly instructions: number;
  readonly milliseconds: Milliseconds | null;
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
  cycles: v.optional(v.record(v.string(), v.tuple([instructions, instructions, instructions]))),
  measured: v.optional(v.boolean()),
});

/** The work of each step of a Program. */
export function workOf(program: Program): readonly Work[] {
  return recordOf<Work[]>(program.handle.work());
}

/**
 * Predicted instructions and milliseconds of a Program, with the sample already in its place, on a board: by default the board for which it was compiled.
 * Throws `COSTS_MISSING` if there are no costs for the board's core, neither built in nor given.
 */
export function estimateOf(
  program: Program,
  costs?: CostTable | null,
  target: string = program.limits.target ?? defaultTarget,
): Estimate {
  const found = recordOf<Estimate>(call(() => program.handle.estimate(target, costText(costs))));
  const label = (i: number) => program.record.steps[i]?.label ?? '';
  return { ...found, steps: found.steps.map((step, i) => ({ ...step, label: label(i) })) };
}

/** The same; null if there are no costs for the board's core. */
export function estimateIfKnown(program: Program, costs?: CostTable | null, target?: string): Estimate | null {
  try {
    return estimateOf(program, costs, target);
  } catch (error) {
    if (error instanceof TinytrainError && error.code === 'COSTS_MISSING') return null;
    throw error;
  }
}

/** Predicted instructions of a training step; see `estimateOf`. */
export function instructionsOfStep(program: Program, costs?: CostTable | null, target?: string): number {
  return estimateOf(program, costs, target).instructions.trainStep;
}

/** A table whose cycles are scaled, all by the same factor, to the milliseconds that a training step takes on a board. */
export function withMeasured(table: CostTable, estimate: Estimate, milliseconds: number): CostTable {
  if (!estimate.time || !table.cycles) return table;
  const factor = milliseconds / estimate.time.trainStep.milliseconds.likely;
  const scaled = ([, likely]: KindCycles): KindCycles => {
    const cycles = Number((likely * factor).toPrecision(4));
    return [cycles, cycles, cycles];
  };
  const cycles = Object.fromEntries(Object.entries(table.cycles).map(([kind, one]) => [kind, scaled(one)]));
  return { ...table, cycles, measured: true };
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
  return { ...table, costs: result };
}
