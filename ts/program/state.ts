import { TinytrainError } from '../errors.js';

/** What a Program has learned. */
export interface TrainedState {
  /** The Programs to which it belongs: those that differ from each other in nothing but the state at the start. See `Program.family`. */
  readonly family: string;
  /** The trainable state, as `Program.record` lays it out. */
  readonly bytes: Uint8Array;
}

/** Throws `STATE_DIFFERS` for the state of another Program. */
export function checkState({ family }: { readonly family: string }, state: TrainedState): void {
  if (state.family === family) return;
  throw new TinytrainError(
    'STATE_DIFFERS',
    'the state belongs to another program: model, scheme, classes, seed and samples of calibration must be the same',
    { found: state.family, expected: family },
  );
}
