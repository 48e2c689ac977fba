import { check, whole } from '../kinds.js';
import { call, type Session as Handle, native } from '../native.js';
import type { Program } from '../program/program.js';
import type { Rate, Rates } from '../rates.js';

/** The result of one training step. */
export interface StepResult {
  /** The class with the largest score, before the update. */
  readonly predicted: number;
  /** Loss before the update, times 2^16. */
  readonly loss: number;
  /** Number of gradient elements that saturated. */
  readonly saturated: number;
}

/** The largest magnitude of a rate's exponent, on the device too (`TT_RATE_EXPONENT`). */
const MOST_EXPONENT = 1024;

/** Throws unless a rate is one that the device takes: zero, or with a mantissa of 31 bits of which the highest is set. */
function checkFixed(part: string, { mantissa, exponent }: Rate): void {
  if (mantissa === 0) return;
  check(`mantissa of the rate of the ${part}`, whole(2 ** 30, 2 ** 31 - 1), mantissa);
  check(`exponent of the rate of the ${part}`, whole(-MOST_EXPONENT, MOST_EXPONENT), exponent);
}

/** A Program in its own memory, run one sample at a time on the calling thread: what a device does, step by step. */
export class Session {
  readonly #handle: Handle;

  /** A Program in its initial state. */
  constructor(program: Program) {
    this.#handle = call(() => new (native().Session)(program.handle));
  }

  /** The class of a sample. */
  predict(sample: Int8Array): number {
    return call(() => this.#handle.predict(sample));
  }

  /** The probability of each class for the last sample, times 2^31. */
  scores(): readonly number[] {
    return call(() => this.#handle.scores());
  }

  /** One training step: forward, loss, backward, update in place. */
  trainStep(sample: Int8Array, label: number, rates: Rates): StepResult {
    check('label', whole(0, 2 ** 16 - 1), label);
    for (const part of ['head', 'backbone'] as const) checkFixed(part, rates[part]);
    return call(() => this.#handle.trainStep(sample, label, rates));
  }

  /** One training step on a sample of the replay buffer, and its class; null while that is empty. */
  replayStep(rates: Rates): (StepResult & { readonly label: number }) | null {
    for (const part of ['head', 'backbone'] as const) checkFixed(part, rates[part]);
    return call(() => this.#handle.replayStep(rates));
  }

  /** The trainable state. */
  state(): Uint8Array {
    return call(() => this.#handle.state());
  }

  /** Replaces the trainable state and the number of steps so far. */
  restore(state: Uint8Array, steps: number): void {
    call(() => this.#handle.restore(state, steps));
  }
}
