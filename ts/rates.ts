import { native } from './native.js';

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

/** The learning rate of a step of a run: linear warm-up over a tenth of the steps, then cosine decay to zero. */
export function learningRate(peak: number, steps: number, step: number): Rate {
  return native().learningRate(peak, steps, step);
}

/** The learning rates of a step of a run with these peaks. */
export function ratesOfStep(peak: PeakRates, steps: number, step: number): Rates {
  return { head: learningRate(peak.head, steps, step), backbone: learningRate(peak.backbone, steps, step) };
}
