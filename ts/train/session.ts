import { call, type Session as Handle, native } from '../native.js';
import type { Program } from '../program/program.js';

/** A learning rate in fixed point, as used by host and device: `mantissa * 2^(exponent - 31)`. */
export interface Rate {
  readonly mantissa: number;
  readonly exponent: number;
}

/** The learning rates of a step. */
export interface Rates {
  /** That of the head. */
  readonly head: Rate;
  /** That of the backbone: of the weights and biases of convolutions. */
  readonly backbone: Rate;
}

/** The highest learning rates of a run, reached after a tenth of its steps. */
export interface PeakRates {
  readonly head: number;
  readonly backbone: number;
}

/** The result of one training step. */
export interface StepResult {
  /** The class with the largest score, before the update. */
  readonly predicted: number;
  /** Loss before the update, times 2^16. */
  readonly loss: number;
  /** Number of gradient elements that saturated. */
  readonly saturated: number;
}

/** The learning rate of a step of a run: linear warm-up over a tenth of the steps, then cosine decay to zero. */
export function learningRate(peak: number, steps: number, step: number): Rate {
  return native().learningRate(peak, steps, step);
}

/** The learning rates of a step of a run with these peaks. */
export function ratesOfStep(peak: PeakRates, steps: number, step: number): Rates {
  return { head: learningRate(peak.head, steps, step), backbone: learningRate(peak.backbone, steps, step) };
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
