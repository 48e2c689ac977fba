import type { InputFormat } from '../data/input.js';
import { columnScales } from '../data/series/scale.js';
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
  /** For series, whose values take the place of pixels: the value of one step of a raw sample, one entry a column. */
  readonly units?: readonly number[] | undefined;
}

/** The model's input. */
export interface ModelInput extends InputFormat, Omit<InputFacts, 'shape'> {}

/** The share of the bytes 0 to 255, over all channels, that lie more than half a level outside of int8. */
function clippedShare({ scale, zero, mean, std }: Omit<InputFacts, 'shape'>): number {
  const channels = Math.max(mean.length, std.length);
  let clipped = 0;
  for (let c = 0; c < channels; c++) {
    const [m, s] = [mean[c] ?? mean[0] ?? 0, std[c] ?? std[0] ?? 1];
    for (let byte = 0; byte < 256; byte++) {
      const exact = (byte - m) / s / scale + zero;
      if (exact < -128.5 || exact > 127.5) clipped++;
    }
  }
  return clipped / (256 * channels);
}

/** The input with these properties. Throws `INPUT_INVALID` for properties that no input can have. */
export function inputOf({ shape, scale, zero, mean, std, units }: InputFacts, place?: string): ModelInput {
  const [height, width, channels] = shape;
  if (units) {
    const series = columnScales({ mean, std, units }, { scale, zero });
    return { height, width, channels, scale, zero, mean, std, units, tables: [], series };
  }
  const tables = call(() => native().inputTables(channels, scale, zero, [...mean], [...std]), place);
  return { height, width, channels, scale, zero, mean, std, tables, clipped: clippedShare({ scale, zero, mean, std }) };
}

/** The properties that determine an input. */
export function factsOf({ height, width, channels, scale, zero, mean, std, units }: ModelInput): InputFacts {
  return { shape: [height, width, channels], scale, zero, mean, std, ...(units && { units }) };
}
