import type { Compiler } from '../model/program.js';
import { native, wait } from '../native.js';
import { type Candidate, keyOf, textOf } from './candidate.js';

/** Rounds of the planner for a candidate. What is handed over is planned with more, and takes no more bytes. */
const ROUNDS = 8;

/** Bytes of a candidate, all in. */
export interface Cost {
  readonly sram: number;
  readonly flash: number;
}

/** What candidates take on a board: asked of the planner once each. */
export class Costs {
  readonly #compiler: Compiler;
  readonly #target: string;
  readonly #pixelTables: number;
  readonly #threads: number;
  readonly #known = new Map<string, Cost>();

  constructor(compiler: Compiler, target: string, pixelTables: number, threads: number) {
    this.#compiler = compiler;
    this.#target = target;
    this.#pixelTables = pixelTables;
    this.#threads = threads;
  }

  /** Candidates that were planned. */
  get evaluations(): number {
    return this.#known.size;
  }

  /** The costs of candidates, in their order. */
  async of(candidates: readonly Candidate[]): Promise<Cost[]> {
    const open = new Map<string, Candidate>();
    for (const candidate of candidates) if (!this.#known.has(keyOf(candidate))) open.set(keyOf(candidate), candidate);
    if (open.size > 0) {
      const list = [...open.values()];
      const found = await wait(() =>
        native().candidateCosts(
          this.#compiler.handle,
          list.map(textOf),
          list.map(({ residualBits }) => residualBits),
          ROUNDS,
          this.#target,
          this.#pixelTables,
          this.#threads,
        ),
      );
      list.forEach((candidate, i) => {
        const cost = found[i];
        if (cost) this.#known.set(keyOf(candidate), cost);
      });
    }
    return candidates.map(candidate => this.#known.get(keyOf(candidate)) ?? { sram: Infinity, flash: Infinity });
  }
}

/** What a candidate must stay below. */
export interface Limits {
  readonly sram: number;
  readonly flash: number;
}

/** Whether it fits. */
export function fits(cost: Cost, limits: Limits): boolean {
  return cost.sram <= limits.sram && cost.flash <= limits.flash;
}
