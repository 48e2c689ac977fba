import type { InputFormat } from '../data/input.js';
import { call, native } from '../native.js';

/** The facts of a model's input that its tables follow from. */
export interface InputFacts {
  /** Rows, columns, channels. */
  readonly shape: readonly [number, number, number];
  /** `real = (q - zero) * scale` */
  readonly scale: number;
  readonly zero: number;
  /** `real = (pixel - mean) / std`, one entry or one per channel. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The model's input. */
export interface ModelInput extends InputFormat, Omit<InputFacts, 'shape'> {}

/** The input with these facts. Throws `INPUT_INVALID` for facts that no input has. */
export function inputOf({ shape, scale, zero, mean, std }: InputFacts, place?: string): ModelInput {
  const [height, width, channels] = shape;
  const tables = call(() => native().inputTables(channels, scale, zero, [...mean], [...std]), place);
  return { height, width, channels, scale, zero, mean, std, tables };
}

/** The facts that an input follows from. */
export function factsOf({ height, width, channels, scale, zero, mean, std }: ModelInput): InputFacts {
  return { shape: [height, width, channels], scale, zero, mean, std };
}
