import { setImmediate } from 'node:timers/promises';
import { type Control, native, watched } from '../native.js';
import type { Compiler } from '../program/compiler.js';
import { type CostTable, costText } from '../program/costs.js';
import type { Feed } from '../program/memory.js';
import { type Candidate, keyOf, textOf } from './candidate.js';

/** Rounds of the planner for a candidate. The returned scheme is planned with more rounds and takes no more bytes. */
const ROUNDS = 8;
/** No limit of SRAM, in bytes: more than any board has. */
const LARGEST = 2 ** 32 - 1;

/** The cost of a candidate: total bytes, and predicted instructions and likely milliseconds of a training step. */
export interface Cost {
  readonly sram: number;
  readonly flash: number;
  readonly instructions: number;
  /** Infinite if no cycles are known of the board's core. */
  readonly milliseconds: number;
}

/** Settings for pricing candidates: board, cost table, threads. */
export interface CostSettings {
  readonly target: string;
  readonly feed: Feed;
  readonly pixelTables: number;
  readonly table: CostTable | null;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
}

/** The costs of candidates on a board, within a budget of SRAM; each is planned once for a budget. */
export class CandidateCosts {
  readonly #compiler: Compiler;
  readonly #settings: CostSettings;
  readonly #known = new Map<string, Cost>();

  constructor(compiler: Compiler, settings: CostSettings) {
    this.#compiler = compiler;
    this.#settings = settings;
  }

  /** Number of candidates that were planned. */
  get evaluations(): number {
    return this.#known.size;
  }

  /**
   * The costs of candidates, in their order. Above the SRAM of the limits a candidate runs over rows: fewer bytes, a few more
   * instructions.
   */
  async of(candidates: readonly Candidate[], limits: Limits): Promise<Cost[]> {
    const sram = Math.min(limits.sram, LARGEST);
    const key = (candidate: Candidate) => `${keyOf(candidate)} within ${sram}`;
    const open = new Map<string, Candidate>();
    for (const candidate of candidates) if (!this.#known.has(key(candidate))) open.set(key(candidate), candidate);
    // Even if all costs are known, other tasks on this thread get their turn.
    if (open.size === 0) await setImmediate();
    else {
      const list = [...open.values()];
      const { target, feed, pixelTables, table, threads, signal } = this.#settings;
      const price = (control: Control) =>
        native().candidateCosts(
          this.#compiler.handle,
          list.map(textOf),
          list.map(({ residualBits }) => residualBits),
          ROUNDS,
          target,
          sram,
          feed === 'rows',
          pixelTables,
          costText(table),
          threads,
          control,
        );
      const found = await watched(price, { signal });
      list.forEach((candidate, i) => {
        const cost = found[i];
        if (cost) this.#known.set(key(candidate), cost);
      });
    }
    return candidates.map(candidate => this.#known.get(key(candidate)) ?? unlimited);
  }
}

/** Limits on the cost of a candidate. */
export type Limits = Cost;

/** No limit at all. */
export const unlimited: Limits = {
  sram: Infinity,
  flash: Infinity,
  instructions: Infinity,
  milliseconds: Infinity,
};

/** Whether a cost is within the limits. */
export function fits(cost: Cost, limits: Limits): boolean {
  return (
    cost.sram <= limits.sram &&
    cost.flash <= limits.flash &&
    cost.instructions <= limits.instructions &&
    cost.milliseconds <= limits.milliseconds
  );
}

/** Whether two costs are equal. */
export function same(a: Cost, b: Cost): boolean {
  return a.sram === b.sram && a.flash === b.flash && a.instructions === b.instructions;
}
