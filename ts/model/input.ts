import type { InputFormat } from '../data/input.js';
import { call, native } from '../native.js';

/** The properties of a model's input that determine its tables. */
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

/** The input with these properties. Throws `INPUT_INVALID` for properties that no input can have. */
export function inputOf({ shape, scale, zero, mean, std }: InputFacts, place?: string): ModelInput {
  const [height, width, channels] = shape;
  const tables = call(() => native().inputTables(channels, scale, zero, [...mean], [...std]), place);
  return { height, width, channels, scale, zero, mean, std, tables };
}

/** The properties that determine an input. */
export function factsOf({ height, width, channels, scale, zero, mean, std }: ModelInput): InputFacts {
  return { shape: [height, width, channels], scale, zero, mean, std };
}
