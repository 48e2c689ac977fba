import type { SampleSet } from '../data/dataset.js';
import type { Program } from '../program/program.js';
import type { RunResult, RunState, TrainPlan } from './types.js';

/** Where a training run is kept, so that it can go on: a folder from `createRun` or `openRun`. */
export abstract class RunKeeper {
  /** Only what is derived from this is one. */
  readonly #isOne = true;

  /** @internal Whether a value is one. */
  static is(value: object): value is RunKeeper {
    return #isOne in value;
  }

  /** @internal Before everything else; to be followed by `end`. */
  abstract begin(program: Program, data: SampleSet, plan: TrainPlan): Promise<void>;

  /** @internal The progress so far; undefined before the first checkpoint. */
  abstract load(): Promise<RunState | undefined>;

  /** @internal A checkpoint. */
  abstract save(state: RunState): Promise<void>;

  /** @internal The end of the run. */
  abstract finish(result: RunResult): Promise<void>;

  /** @internal After everything else, whether or not it went well. */
  abstract end(): Promise<void>;
}
