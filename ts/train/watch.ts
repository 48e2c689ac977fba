import type { CurvePoint, RunState, Setback } from './types.js';

/** A run is judged over this many of its last steps, or one stretch of the curve where that is more. */
const WINDOW = 200;
/** The part of a run, warm-up included, before which nothing is judged. */
const GRACE = 0.15;
/** The loss of a run that learns is below this share of the loss of the class priors. */
const LEARNED = 0.97;
/** From this part of a run on, a loss above this share of the loss of the class priors is that of a run that never began to learn. */
const LATE = 0.5;
const STUCK = 0.99;
/** A loss above this multiple of the loss of the class priors is that of a run that diverges. */
const DIVERGED = 1.5;
/** A loss that has grown by this share of the loss of the class priors is that of a run that has lost something. */
const MUCH = 0.1;
/** By how much rates are lowered when a run has collapsed, and how often. */
export const LOWERED = 4;
export const MOST_SETBACKS = 4;

/** Mean loss over the last steps up to the end of the curve; undefined before there are enough. */
export function recentLoss(curve: readonly CurvePoint[]): number | undefined {
  let [steps, sum] = [0, 0];
  for (let i = curve.length - 1; i >= 0 && steps < WINDOW; i--) {
    const point = curve[i];
    if (!point) break;
    const length = point.step - (curve[i - 1]?.step ?? 0);
    steps += length;
    sum += length * point.loss;
  }
  return steps < WINDOW ? undefined : sum / steps;
}

/**
 * Why a run has collapsed, judged at a point of its curve by the losses before each update; undefined while it has not. `prior` is the loss of the class
 * priors. A run that has never learned counts as collapsed only if its rates are as high as those found: with lower ones it is slow.
 */
export function collapse(state: RunState, prior: number, total: number, high: boolean): string | undefined {
  const loss = recentLoss(state.curve);
  const step = state.checkpoint.steps;
  if (loss === undefined || step < GRACE * total) return undefined;
  if (loss > DIVERGED * prior) return 'the loss is far above that of guessing';
  const lowest = state.best?.loss ?? Number.POSITIVE_INFINITY;
  if (loss > LEARNED * prior && loss - lowest > MUCH * prior) return 'what had been learned is lost';
  if (high && step >= LATE * total && loss > STUCK * prior) return 'nothing has been learned';
  return undefined;
}

/** Whether the last steps were so much worse than the best that the run has lost what it had learned. */
export function hasLost({ curve, best }: RunState, prior: number): boolean {
  const loss = recentLoss(curve);
  return loss !== undefined && best !== null && loss - best.loss > MUCH * prior;
}

/** The rates of a run after its setbacks, as a share of those it began with. */
export function scaleAfter(setbacks: readonly Setback[]): number {
  return LOWERED ** -setbacks.length;
}
