import type { SampleSet } from './dataset.js';
import type { InputFormat } from './input.js';
import type { DataOrigin } from './origin.js';
import type { WorkOptions } from './pool.js';
import type { Quantisation, SeriesScale } from './series/scale.js';
import type { Split } from './split.js';

/** A sample before it is read: its name, such as a path, and its class. */
export interface Listed {
  readonly name: string;
  /** Index into the classes. */
  readonly label: number;
}

/** The samples of each split; there is always a `train` and a `test`. */
export type Parts<T> = Readonly<{ train: T; validation?: T | undefined; test: T }>;

/** Options for reading samples. */
export interface ReadOptions extends WorkOptions {
  /** Number of samples created at a time; one per core by default. Does not affect results. */
  readonly threads?: number | undefined;
  /** Most bytes of samples kept in memory; a larger set is read from the cache's file, sample by sample. 1 GiB by default. */
  readonly memoryLimit?: number | undefined;
  /** The folder of the cache; see `cacheFolder`. */
  readonly cacheFolder?: string | undefined;
  /** Reads only the samples at these places of each split, in this order; omitted splits are empty. */
  readonly only?: Partial<Parts<readonly number[]>> | undefined;
}

/**
 * A source of samples. Its classes and samples are known before anything is read, so that a budget can be checked against the number of classes first.
 * Nothing behind this interface knows whether a sample was an image.
 */
export interface SampleSource {
  /** Where the samples come from and how they are split, for people to read. */
  readonly name: string;
  /** How to open this source again. */
  readonly origin: DataOrigin;
  /** Names of the classes; a label is an index into them. */
  readonly classes: readonly string[];
  /** Every sample of each split. Some may turn out to be unreadable. */
  readonly parts: Parts<readonly Listed[]>;
  /**
   * For series: what becomes -128 and 127 of each column unless a normalisation says otherwise, found in the training recordings. Throws `INPUT_SHAPE`,
   * `RECORDING_CORRUPT`.
   */
  ranges?(input: InputFormat, options?: WorkOptions): Promise<readonly (readonly [low: number, high: number])[]>;
  /**
   * For series: how their values become the model's input. Found in the training recordings, so that their range fills int8, unless mean and standard
   * deviation are given: one number, or one a column. Throws `INPUT_SHAPE` for recordings of another shape, `INPUT_CLIPPED`, `RECORDING_CORRUPT`.
   */
  normalise?(
    input: InputFormat,
    quantisation: Quantisation,
    given?: { readonly mean: readonly number[]; readonly std: readonly number[] },
    options?: WorkOptions,
  ): Promise<SeriesScale>;
  /** For series: a sample in the raw form in which a device takes it; undefined if it cannot be had. */
  raw?(split: Split, place: number, input: InputFormat): Promise<Int16Array | undefined>;
  /**
   * Reads the samples in the form that a model takes. Throws an error such as `INPUT_NO_IMAGE` for an input that the source cannot fill, and
   * `ABORTED` when its signal stops it.
   */
  read(input: InputFormat, options?: ReadOptions): Promise<SampleSet>;
}
