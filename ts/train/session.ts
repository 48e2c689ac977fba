import { call, type Session as Handle, native } from '../native.js';
import type { Program } from '../program/program.js';
import type { Rates } from '../rates.js';

/** The result of one training step. */
export interface StepResult {
  /** The class with the largest score, before the update. */
  readonly predicted: number;
  /** Loss before the update, times 2^16. */
  readonly loss: number;
  /** Number of gradient elements that saturated. */
  readonly saturated: number;
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
    return call(() => this.#handle.trainStep(sample, label, rates));
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
