import { createHash } from 'node:crypto';
import { TinytrainError } from '../errors.js';
import { call, type Dataset as Handle, native, type SampleStore } from '../native.js';
import { type InputFormat, inputLength } from './input.js';
import type { DataOrigin } from './origin.js';

/** Samples with labels as a model takes them, held by the native side: in memory once, or in a file. */
export class Dataset {
  /** Class of each sample. */
  readonly labels: Uint16Array;
  /** Name of each sample: its path, where it has one. */
  readonly names: readonly string[];
  /** @internal */
  readonly handle: Handle;

  private constructor(handle: Handle, labels: Uint16Array, names: readonly string[]) {
    this.handle = handle;
    this.labels = labels;
    this.names = names;
  }

  /** @internal The samples in `slots` of a store. */
  static of(store: SampleStore, slots: Uint32Array, labels: Uint16Array, names: readonly string[]): Dataset {
    return new Dataset(
      call(() => store.subset(slots, labels)),
      labels,
      names,
    );
  }

  /** A set from int8 samples that lie one after the other, rows of interleaved channels each. Throws `SIZE_MISMATCH`. */
  static from(samples: Int8Array, labels: ArrayLike<number>, input: InputFormat, names?: readonly string[]): Dataset {
    const length = inputLength(input);
    if (samples.length !== labels.length * length) {
      throw new TinytrainError(
        'SIZE_MISMATCH',
        `${samples.length} bytes of samples for ${labels.length} labels of ${length} bytes each`,
        { found: samples.length, expected: labels.length * length },
      );
    }
    const store = native().SampleStore.inMemory(labels.length, length);
    for (let i = 0; i < labels.length; i++) store.put(i, samples.subarray(i * length, (i + 1) * length));
    const slots = Uint32Array.from({ length: labels.length }, (_, i) => i);
    return Dataset.of(store, slots, Uint16Array.from(labels), names ?? Array.from(slots, i => `sample ${i}`));
  }

  /** The samples in `places` alone, in this order. They are not copied. Throws `SIZE_MISMATCH` for a place that there is not. */
  subset(places: ArrayLike<number>): Dataset {
    const handle = call(() => this.handle.subset(Uint32Array.from(places)));
    const list = Array.from(places);
    return new Dataset(
      handle,
      Uint16Array.from(list, place => this.labels[place] ?? 0),
      list.map(place => this.names[place] ?? ''),
    );
  }

  /** Number of samples. */
  get size(): number {
    return this.labels.length;
  }

  /** A copy of one sample. Throws `SIZE_MISMATCH` for a place that there is not. */
  sample(index: number): Int8Array {
    return call(() => this.handle.sample(index));
  }

  /** SHA-256 over labels and samples, in hexadecimal. */
  hash(): string {
    const hash = createHash('sha256').update(this.labels);
    for (let i = 0; i < this.size; i++) hash.update(this.sample(i));
    return hash.digest('hex');
  }
}

/** A data set with classes and splits. */
export interface SampleSet {
  /** Names of the classes; a label is an index into them. */
  readonly classes: readonly string[];
  /** What is learned from. */
  readonly train: Dataset;
  /** What is chosen by, where there is one. */
  readonly validation?: Dataset;
  /** What is measured on: training never sees it. */
  readonly test: Dataset;
  /** Samples that were left out because they could not be read. */
  readonly skipped: readonly BadSample[];
  /** For people: where it comes from and how it was split. */
  readonly source: string;
  /** How it can be read again; absent for a set that did not come from a source of this package. */
  readonly origin?: DataOrigin;
  /** Changes when anything about the samples does. */
  readonly hash: string;
}

/** A sample that could not be read. */
export interface BadSample {
  readonly path: string;
  readonly message: string;
}
