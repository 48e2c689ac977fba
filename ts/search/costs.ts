import { setImmediate } from 'node:timers/promises';
import { native, wait } from '../native.js';
import { type CostTable, costText } from '../program/costs.js';
import type { Compiler } from '../program/program.js';
import { type Candidate, keyOf, textOf } from './candidate.js';

/** Rounds of the planner for a candidate. What is handed over is planned with more, and takes no more bytes. */
const ROUNDS = 8;

/** What a candidate takes: bytes, all in, and instructions of a training step, as predicted. */
export interface Cost {
  readonly sram: number;
  readonly flash: number;
  readonly instructions: number;
}

/** What candidates take on what, and by which table. */
export interface CostSettings {
  readonly target: string;
  readonly pixelTables: number;
  readonly table: CostTable | null;
  readonly threads: number;
}

/** What candidates take on a board: asked of the planner once each. */
export class Costs {
  readonly #compiler: Compiler;
  readonly #settings: CostSettings;
  readonly #known = new Map<string, Cost>();

  constructor(compiler: Compiler, settings: CostSettings) {
    this.#compiler = compiler;
    this.#settings = settings;
  }

  /** Candidates that were planned. */
  get evaluations(): number {
    return this.#known.size;
  }

  /** The costs of candidates, in their order. */
  async of(candidates: readonly Candidate[]): Promise<Cost[]> {
    const open = new Map<string, Candidate>();
    for (const candidate of candidates) if (!this.#known.has(keyOf(candidate))) open.set(keyOf(candidate), candidate);
    // Where all is known, others on this thread have their turn all the same.
    if (open.size === 0) await setImmediate();
    else {
      const list = [...open.values()];
      const { target, pixelTables, table, threads } = this.#settings;
      const found = await wait(() =>
        native().candidateCosts(
          this.#compiler.handle,
          list.map(textOf),
          list.map(({ residualBits }) => residualBits),
          ROUNDS,
          target,
          pixelTables,
          costText(table),
          threads,
        ),
      );
      list.forEach((candidate, i) => {
        const cost = found[i];
        if (cost) this.#known.set(keyOf(candidate), cost);
      });
    }
    return candidates.map(candidate => this.#known.get(keyOf(candidate)) ?? NONE);
  }
}

/** What a candidate must stay below. */
export type Limits = Cost;

const NONE: Cost = { sram: Infinity, flash: Infinity, instructions: Infinity };

/** Whether it fits. */
export function fits(cost: Cost, limits: Limits): boolean {
  return cost.sram <= limits.sram && cost.flash <= limits.flash && cost.instructions <= limits.instructions;
}
