import type { Dataset, SampleSet } from '../data/dataset.js';
import { meanLoss } from '../loss.js';
import { call, native, type Trainer, wait } from '../native.js';
import { evenly } from '../program/rule.js';
import type { HeldOut, HeldOutPoint, RunState, TrainPlan } from './types.js';
import { hasLost } from './watch.js';

/** The most samples that are looked at as a run goes on. */
const MOST_SAMPLES = 300;
/** The part of a run, warm-up included, before which no state is compared. */
const GRACE = 0.15;
/** Stretches of the curve from one look to the next: ten looks take about a tenth of a run. */
const STRETCHES = 5;

/** Samples that are looked at as a run goes on. */
export interface Held {
  readonly on: HeldOut['on'];
  readonly set: Dataset;
}

/** The samples that are looked at as a run goes on: of the data's own validation split, on which states are compared; without one of the test split, which decides nothing. */
export function heldSamples({ validation, test }: SampleSet): Held {
  const own = validation && validation.size > 0;
  return own
    ? { on: 'validation', set: evenly(validation, MOST_SAMPLES) }
    : { on: 'test', set: evenly(test, MOST_SAMPLES) };
}

/** Whether held-out samples are looked at, at a point of the curve: at every fifth one, and at the end. */
function isLookedAt({ checkpoint, curve }: RunState, { steps }: TrainPlan): boolean {
  return checkpoint.steps === steps || curve.length % STRETCHES === 0;
}

/** What a trainer's state makes of samples. Too short to be interrupted. */
export async function lookAt(trainer: Trainer, { set }: Held, threads: number): Promise<Omit<HeldOutPoint, 'step'>> {
  const control = new (native().Control)();
  const found = await wait(() => trainer.evaluate(set.handle, threads, control));
  return { loss: meanLoss(found.loss, set.size), accuracy: found.correct / set.size };
}

/** A run at a point of its curve, after a look at held-out samples if it is time for one: the point is noted, and the state remembered if it is the best so far. */
export async function looked(
  trainer: Trainer,
  held: Held,
  state: RunState,
  plan: TrainPlan,
  threads: number,
): Promise<RunState> {
  if (!isLookedAt(state, plan)) return state;
  const { checkpoint, lowest } = state;
  const { steps } = checkpoint;
  const found = await lookAt(trainer, held, threads);
  const next = { ...state, heldOut: [...state.heldOut, { step: steps, ...found }] };
  const compared = held.on === 'validation' && plan.keep === 'best' && steps >= GRACE * plan.steps;
  if (!compared || (lowest && lowest.loss <= found.loss)) return next;
  return { ...next, lowest: { checkpoint, loss: found.loss } };
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
