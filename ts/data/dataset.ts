import { createHash } from 'node:crypto';
import { TinytrainError } from '../errors.js';
import { call, type Dataset as Handle, native, type PictureStore } from '../native.js';
import { type InputFormat, inputLength, type ResizePolicy } from './input.js';
import type { SplitShares } from './split.js';

/** Pictures with labels as a model takes them, held by the native side: in memory once, or in a file. */
export class Dataset {
  /** Class of each picture. */
  readonly labels: Uint16Array;
  /** What each picture is called: its path, where it has one. */
  readonly names: readonly string[];
  /** @internal */
  readonly handle: Handle;

  private constructor(handle: Handle, labels: Uint16Array, names: readonly string[]) {
    this.handle = handle;
    this.labels = labels;
    this.names = names;
  }

  /** @internal The pictures in `slots` of a store. */
  static of(store: PictureStore, slots: Uint32Array, labels: Uint16Array, names: readonly string[]): Dataset {
    return new Dataset(
      call(() => store.subset(slots, labels)),
      labels,
      names,
    );
  }

  /** A set from int8 pictures that lie one after the other, rows of interleaved channels each. */
  static from(pictures: Int8Array, labels: ArrayLike<number>, input: InputFormat, names?: readonly string[]): Dataset {
    const length = inputLength(input);
    if (pictures.length !== labels.length * length) {
      throw new TinytrainError(
        'SIZE_MISMATCH',
        `${pictures.length} bytes of pictures for ${labels.length} labels of ${length} bytes each`,
        { found: pictures.length, expected: labels.length * length },
      );
    }
    const store = native().PictureStore.inMemory(labels.length, length);
    for (let i = 0; i < labels.length; i++) store.put(i, pictures.subarray(i * length, (i + 1) * length));
    const slots = Uint32Array.from({ length: labels.length }, (_, i) => i);
    return Dataset.of(store, slots, Uint16Array.from(labels), names ?? Array.from(slots, i => `picture ${i}`));
  }

  /** The pictures in `places` alone, in this order. They are not copied. */
  subset(places: ArrayLike<number>): Dataset {
    const handle = call(() => this.handle.subset(Uint32Array.from(places)));
    const list = Array.from(places);
    return new Dataset(
      handle,
      Uint16Array.from(list, place => this.labels[place] ?? 0),
      list.map(place => this.names[place] ?? ''),
    );
  }

  /** Number of pictures. */
  get size(): number {
    return this.labels.length;
  }

  /** A copy of one picture. */
  picture(index: number): Int8Array {
    return call(() => this.handle.picture(index));
  }

  /** SHA-256 over labels and pictures, in hexadecimal. */
  hash(): string {
    const hash = createHash('sha256').update(this.labels);
    for (let i = 0; i < this.size; i++) hash.update(this.picture(i));
    return hash.digest('hex');
  }
}

/** What is needed to read a data set again. */
export type DataOrigin =
  | {
      readonly folder: string;
      readonly resize: ResizePolicy;
      readonly skipBad: boolean;
      readonly seed: number;
      readonly shares: SplitShares;
    }
  | { readonly drawn: { readonly seed: number; readonly trainPerClass: number; readonly testPerClass: number } };

/** A data set with classes and splits. */
export interface PictureSet {
  /** Names of the classes; a label is an index into them. */
  readonly classes: readonly string[];
  /** What is learned from. */
  readonly train: Dataset;
  /** What is chosen by, where there is one. */
  readonly validation?: Dataset;
  /** What is measured on: training never sees it. */
  readonly test: Dataset;
  /** Pictures that were left out because they could not be decoded. */
  readonly skipped: readonly BadPicture[];
  /** For people: where it comes from and how it was split. */
  readonly source: string;
  /** How it can be read again; absent for a set that a program made itself. */
  readonly origin?: DataOrigin;
  /** Changes when anything about the pictures does. */
  readonly hash: string;
}

/** A picture that could not be decoded. */
export interface BadPicture {
  readonly path: string;
  readonly message: string;
}
