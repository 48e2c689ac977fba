import type { Model } from '../model/model.js';
import type { Compiler } from '../program/compiler.js';
import type { Clock } from './clock.js';
import type { CandidateCosts, Limits } from './costs.js';
import type { SearchSamples } from './heldout.js';
import type { Trials } from './trials.js';
import type { SearchEvent, SearchPlan } from './types.js';

/** Everything that the phases of a search use. */
export interface SearchWork {
  readonly model: Model;
  readonly samples: SearchSamples;
  readonly plan: SearchPlan;
  readonly trials: Trials;
  readonly compiler: Compiler;
  readonly costs: CandidateCosts;
  /** Limits for each budget, ascending. */
  readonly limits: readonly Limits[];
  readonly clock: Clock;
  readonly emit: (event: SearchEvent) => void;
}

/** The limits of the largest budget: candidates beyond them are of no use. */
export function largest({ limits }: SearchWork): Limits {
  return limits.at(-1) ?? { sram: 0, flash: 0, instructions: 0, milliseconds: 0 };
}
