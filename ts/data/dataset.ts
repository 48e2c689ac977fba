import { sha256 } from '#host';
import { TinytrainError } from '../errors.js';
import { check, whole } from '../kinds.js';
import { call, type Dataset as Handle, native, type SampleStore } from '../native.js';
import { type InputFormat, inputLength } from './input.js';
import type { DataOrigin } from './origin.js';

/** The number of a class. */
const classNumber = whole(0, 2 ** 16 - 1);

/** Samples with labels in the form that a model takes, owned by the addon: in memory once, or in a file. */
export class Dataset {
  /** Class of each sample. */
  readonly labels: Uint16Array;
  /** Name of each sample: its path, if it has one. */
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

  /** Creates a set from consecutive int8 samples, each with rows of interleaved channels. Throws `SIZE_MISMATCH`, `OPTION_INVALID` for labels that are none, `MEMORY`. */
  static from(samples: Int8Array, labels: ArrayLike<number>, input: InputFormat, names?: readonly string[]): Dataset {
    const length = inputLength(input);
    if (samples.length !== labels.length * length) {
      throw new TinytrainError(
        'SIZE_MISMATCH',
        `${samples.length} bytes of samples for ${labels.length} labels of ${length} bytes each`,
        { found: samples.length, expected: labels.length * length },
      );
    }
    for (const label of Array.from(labels)) check('a label', classNumber, label);
    const store = call(() => native().SampleStore.inMemory(labels.length, length));
    for (let i = 0; i < labels.length; i++) store.put(i, samples.subarray(i * length, (i + 1) * length));
    const slots = Uint32Array.from({ length: labels.length }, (_, i) => i);
    return Dataset.of(store, slots, Uint16Array.from(labels), names ?? Array.from(slots, i => `sample ${i}`));
  }

  /** The samples at `places`, in this order, without copying them. Throws `SIZE_MISMATCH` for a place that does not exist. */
  subset(places: ArrayLike<number>): Dataset {
    const handle = call(() => this.handle.subset(Uint32Array.from(places)));
    const list = Array.from(places);
    return new Dataset(
      handle,
      Uint16Array.from(list, place => this.labels[place] ?? 0),
      list.map(place => this.names[place] ?? ''),
    );
  }

  /** @internal The same samples with other labels, without copying them. */
  labelled(labels: Uint16Array): Dataset {
    return new Dataset(
      call(() => this.handle.labelled(labels)),
      labels,
      this.names,
    );
  }

  /** Number of samples. */
  get size(): number {
    return this.labels.length;
  }

  /** A copy of one sample. Throws `SIZE_MISMATCH` for a place that does not exist. */
  sample(index: number): Int8Array {
    return call(() => this.handle.sample(index));
  }

  /** SHA-256 over labels and samples, in hexadecimal. */
  hash(): string {
    const hash = sha256().update(this.labels);
    for (let i = 0; i < this.size; i++) hash.update(this.sample(i));
    return hash.digest('hex');
  }
}

/** `most` of the places below `count`, or all of them, spread evenly. */
export function spread(count: number, most: number): number[] {
  const chosen = Math.min(most, count);
  return Array.from({ length: chosen }, (_, i) => Math.floor((i * count) / chosen));
}

/** A data set with classes and splits. */
export interface SampleSet {
  /** Names of the classes; a label is an index into them. */
  readonly classes: readonly string[];
  /** Samples for training. */
  readonly train: Dataset;
  /** Samples for choosing between schemes, if there are any. */
  readonly validation?: Dataset;
  /** Samples for the final measurement, never used in training. */
  readonly test: Dataset;
  /** Samples that were skipped because they could not be read. */
  readonly skipped: readonly BadSample[];
  /** Test samples that are among the training samples, value for value; absent if that was not looked at. */
  readonly repeated?: Repeated | undefined;
  /** Its source and split, for people to read. */
  readonly source: string;
  /** How to read it again; absent for a set that did not come from a source of this package. */
  readonly origin?: DataOrigin;
  /** Changes whenever the samples change in any way. */
  readonly hash: string;
}

/** A sample that could not be read. */
export interface BadSample {
  readonly path: string;
  readonly message: string;
}

/** Test samples that are among the training samples too. */
export interface Repeated {
  /** Their number. */
  readonly count: number;
  /** The names of one, in both splits. */
  readonly first: { readonly train: string; readonly test: string } | null;
}
