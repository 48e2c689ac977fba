import type { SampleSet } from './dataset.js';
import type { InputFormat } from './input.js';
import type { DataOrigin } from './origin.js';
import type { WorkOptions } from './pool.js';

/** A sample before it is read: its name, such as a path, and its class. */
export interface Listed {
  readonly name: string;
  /** Index into the classes. */
  readonly label: number;
}

/** The samples of each split; there is always a `train` and a `test`. */
export type Parts<T> = Readonly<{ train: T; validation?: T | undefined; test: T }>;

/** How samples are read. */
export interface ReadOptions extends WorkOptions {
  /** Samples made at a time; as many as there are cores by default. No result depends on it. */
  readonly threads?: number | undefined;
  /** Bytes of samples that are kept in memory; a larger set is read from the cache's file, a sample at a time. 1 GiB by default. */
  readonly memoryLimit?: number | undefined;
  /** The folder of the cache; see `cacheFolder`. */
  readonly cacheFolder?: string | undefined;
  /** Reads no other samples than those at these places of each split, in this order; splits that are left out are empty. */
  readonly only?: Partial<Parts<readonly number[]>> | undefined;
}

/**
 * A place that samples come from. What there is is known before anything is read, so that a budget is checked against the number of classes first.
 * Nothing behind this interface knows whether a sample was an image.
 */
export interface SampleSource {
  /** For people: where the samples come from and how they are split. */
  readonly name: string;
  /** How to open this source again. */
  readonly origin: DataOrigin;
  /** Names of the classes; a label is an index into them. */
  readonly classes: readonly string[];
  /** Every sample of each split. Some may turn out to be unreadable. */
  readonly parts: Parts<readonly Listed[]>;
  /**
   * Reads the samples as a model takes them. Throws `INPUT_NO_IMAGE` or the like for an input that the source cannot fill, and `ABORTED` when its signal
   * stops it.
   */
  read(input: InputFormat, options?: ReadOptions): Promise<SampleSet>;
}
