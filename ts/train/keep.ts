import type { Dataset, SampleSet } from '../data/dataset.js';
import { call, native, type Trainer, wait } from '../native.js';
import { evenly } from '../program/rule.js';
import type { BestState, RunState, TrainPlan } from './types.js';
import { hasLost } from './watch.js';

/** Converts a loss with 16 fraction bits to a number. */
const LOSS_UNIT = 65536;
/** The most samples of the validation split on which states are compared. */
const MOST_SAMPLES = 300;
/** The part of a run, warm-up included, before which no state is compared. */
const GRACE = 0.15;
/** Stretches of the curve from one comparison to the next: ten comparisons take about a tenth of a run. */
const STRETCHES = 5;

/** The samples on which the states of a run are compared: of the data's own validation split. Without one, all samples are for training. */
export function heldSamples({ validation }: SampleSet): Dataset | undefined {
  return validation && validation.size > 0 ? evenly(validation, MOST_SAMPLES) : undefined;
}

/** Whether the state at a point of the curve is compared with others: at every fifth point, and at the end. */
export function isCompared({ checkpoint, curve }: RunState, { steps }: TrainPlan): boolean {
  const done = checkpoint.steps;
  return done === steps || (done >= GRACE * steps && curve.length % STRETCHES === 0);
}

/** The state with the lowest mean loss on held-back samples so far, after a look at the trainer's own. Too short to be interrupted. */
export async function lowestOf(
  trainer: Trainer,
  held: Dataset,
  { lowest, checkpoint }: RunState,
  threads: number,
): Promise<BestState> {
  const control = new (native().Control)();
  const found = await wait(() => trainer.evaluate(held.handle, threads, control));
  const loss = found.loss / LOSS_UNIT / held.size;
  return lowest && lowest.loss <= loss ? lowest : { checkpoint, loss };
}

/**
 * The end of a run that keeps its best state. With a validation split that is the one with the lowest loss there; else the last one, or that with the lowest
 * recent loss where the run has lost what had been learned. `prior` is the loss of guessing.
 */
export function keptState(trainer: Trainer, { keep }: TrainPlan, state: RunState, prior: number): RunState {
  if (keep === 'last' || state.kept !== null) return state;
  const { steps } = state.checkpoint;
  const best = state.lowest ?? (hasLost(state, prior) ? state.best : null);
  if (!best || best.checkpoint.steps === steps) return state;
  const checkpoint = { ...best.checkpoint, steps };
  call(() => trainer.restore(checkpoint));
  return { ...state, checkpoint, kept: best.checkpoint.steps };
}
