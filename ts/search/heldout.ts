import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Dataset, SampleSet } from '../data/dataset.js';
import { heldBack } from '../data/heldback.js';
import { TinytrainError } from '../errors.js';

/** The samples of a search. */
export interface SearchSamples {
  /** Samples for training candidates. */
  readonly train: Dataset;
  /** Samples for comparing them. */
  readonly validation: Dataset;
  /** Samples for training in the final runs: everything except the test. */
  readonly all: Dataset;
  /** Samples for measuring the final runs. Not used before. */
  readonly test: Dataset;
  /** Which of `all` are `train` and `validation`; undefined if the data has its own validation split. */
  readonly places?: { readonly train: readonly number[]; readonly validation: readonly number[] };
}

/** Bytes of samples that are hashed without a pause: a few milliseconds. */
const CHUNK_BYTES = 2 ** 21;

/** SHA-256 over labels and samples, a few at a time, so that other tasks on this thread get their turn. */
export async function contentHash(set: Dataset): Promise<string> {
  const hash = createHash('sha256').update(set.labels);
  let bytes = 0;
  for (let i = 0; i < set.size; i++) {
    const sample = set.sample(i);
    hash.update(sample);
    bytes += sample.length;
    if (bytes < CHUNK_BYTES) continue;
    bytes = 0;
    await setImmediate();
  }
  return hash.digest('hex');
}

/** Holds back a validation part of the training split, unless the data has its own. */
export async function searchSamples(data: SampleSet, share: number, seed: number): Promise<SearchSamples> {
  const { classes, train, validation, test } = data;
  if (classes.length < 2) {
    throw new TinytrainError('CLASSES_TOO_FEW', `${data.source}: ${classes.length} class; at least two are needed`, {
      classes: classes.length,
      least: 2,
    });
  }
  if (validation && validation.size > 0) return { train, validation, all: train, test };
  const held = await heldBack(data, share, seed);
  const all = Array.from(train.labels.keys());
  const places = { train: all.filter(i => !held.has(i)), validation: all.filter(i => held.has(i)) };
  return {
    train: train.subset(places.train),
    validation: train.subset(places.validation),
    all: train,
    test,
    places,
  };
}
