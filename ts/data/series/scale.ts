import { TinytrainError } from '../../errors.js';
import { percent } from '../../format.js';
import { call, native } from '../../native.js';
import type { ColumnScale } from '../input.js';
import type { Table } from './rows.js';

/** How the values of series become int8, in the terms of a user: one entry a column, or one for all. */
export interface SeriesScale {
  /** `real = (value - mean) / std` */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** The value of one step of a raw sample (int16), a power of two; one entry a column. */
  readonly units: readonly number[];
}

/** The quantisation of a model's input: `real = (q - zero) * scale` */
export interface Quantisation {
  readonly scale: number;
  readonly zero: number;
}

/** Half the width of what is mapped onto int8, in standard deviations, where the values reach so far. */
const DEVIATIONS = 4;
/** Largest share of values that a given normalisation may clip. */
const MOST_CLIPPED = 0.05;

/** The integers of every column. Throws `INPUT_INVALID` for a normalisation that they cannot express. */
export function columnScales({ mean, std, units }: SeriesScale, { scale, zero }: Quantisation): ColumnScale[] {
  return call(() => native().seriesColumns([...units], [...mean], [...std], scale, zero));
}

/** The raw sample of a value: the nearest step, halves upwards, within int16. */
export function rawOf(value: number, unit: number): number {
  return Math.max(-32768, Math.min(32767, Math.floor(value / unit + 0.5)));
}

/** The int8 values of a raw sample, as the device computes them. */
export function quantised(raw: Int16Array, columns: readonly ColumnScale[]): Int8Array {
  return call(() => native().seriesQuantised(raw, [...columns]));
}

/** Figures of a column over all training recordings. */
class Figures {
  count = 0;
  sum = 0;
  squares = 0;
  least = Number.POSITIVE_INFINITY;
  most = Number.NEGATIVE_INFINITY;
  whole = true;

  add(value: number): void {
    this.count++;
    this.sum += value;
    this.squares += value * value;
    if (value < this.least) this.least = value;
    if (value > this.most) this.most = value;
    this.whole &&= Number.isInteger(value);
  }

  /** What becomes -128 and 127: all values, or four standard deviations around the mean where a few lie beyond. */
  range(): readonly [number, number] {
    const mean = this.sum / this.count;
    const deviation = Math.sqrt(Math.max(0, this.squares / this.count - mean * mean));
    const low = Math.max(this.least, mean - DEVIATIONS * deviation);
    const high = Math.min(this.most, mean + DEVIATIONS * deviation);
    return high > low ? [low, high] : [low - 0.5, low + 0.5];
  }

  /** 1 where all values are integers of 16 bits, as sensors yield them; otherwise the smallest power of two with which they fit. */
  unit(): number {
    const most = Math.max(Math.abs(this.least), Math.abs(this.most));
    if (this.whole && most <= 32767) return 1;
    return 2 ** Math.ceil(Math.log2(most / 32767));
  }
}

/** Looks at the training recordings of a set, one after another. */
export class Survey {
  readonly #columns: Figures[] = [];

  add({ columns, values }: Table): void {
    while (this.#columns.length < columns) this.#columns.push(new Figures());
    for (let i = 0; i < values.length; i++) this.#columns[i % columns]?.add(values[i] ?? 0);
  }

  /** What becomes -128 and 127 of each column. */
  ranges(): (readonly [low: number, high: number])[] {
    return this.#columns.map(column => column.range());
  }

  /** Maps the range of each column onto int8. */
  found({ scale, zero }: Quantisation): SeriesScale {
    const ranges = this.ranges();
    const std = ranges.map(([low, high]) => (high - low) / (255 * scale));
    const mean = ranges.map(([low], c) => low + (128 + zero) * scale * (std[c] ?? 0));
    return { mean, std, units: this.units() };
  }

  units(): number[] {
    return this.#columns.map(column => column.unit());
  }
}

/** Counts the values that a given normalisation clips. */
export class Clipping {
  readonly #scales: readonly ColumnScale[];
  #clipped = 0;
  #all = 0;

  constructor(scales: readonly ColumnScale[]) {
    this.#scales = scales;
  }

  add({ columns, values }: Table): void {
    const none = { unit: 1, factor: 0, offset: 0, shift: 0 };
    for (let i = 0; i < values.length; i++) {
      const { unit, factor, offset, shift } = this.#scales[i % columns] ?? none;
      const q = Math.floor((((values[i] ?? 0) / unit) * factor + offset) / 2 ** shift);
      if (q < -128 || q > 127) this.#clipped++;
    }
    this.#all += values.length;
  }

  /** Throws `INPUT_CLIPPED` if there are too many. */
  check(): void {
    const share = this.#clipped / Math.max(1, this.#all);
    if (share <= MOST_CLIPPED) return;
    throw new TinytrainError(
      'INPUT_CLIPPED',
      `the normalisation clips ${percent(share)} of the training values: they lie outside of what the model's input can hold`,
      {
        clipped: share,
        help: [
          'real = (value - mean) / std: --mean and --std, one number or one a column, or neither to have them found',
        ],
      },
    );
  }
}
