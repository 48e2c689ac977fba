import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Dataset, SampleSet } from '../data/dataset.js';
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
}

/** Length of the folder prefix that all names share; it is ignored, since a folder may be moved or given as another path. */
function folderLength(names: readonly string[]): number {
  const [first = ''] = names;
  let length = first.length;
  for (const name of names) while (!name.startsWith(first.slice(0, length))) length--;
  return Math.max(first.lastIndexOf('/', length - 1), first.lastIndexOf('\\', length - 1)) + 1;
}

function rank(seed: number, name: string): string {
  return createHash('sha256').update(`held back\n${seed}\n${name}`).digest('hex');
}

/** Number of samples of a class that are held back: a share, at least one, with at least one left for training. */
function heldBackOf(own: readonly number[], share: number): number {
  return Math.min(own.length - 1, Math.max(1, Math.round(share * own.length)));
}

/** Number of names, and bytes of samples, that are hashed without a pause: a few milliseconds. */
const CHUNK = 500;
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

async function ranksOf(names: readonly string[], seed: number): Promise<string[]> {
  const folder = folderLength(names);
  const ranks: string[] = [];
  for (let from = 0; from < names.length; from += CHUNK) {
    // Other tasks on this thread get their turn.
    if (from > 0) await setImmediate();
    for (const name of names.slice(from, from + CHUNK)) {
      ranks.push(rank(seed, name.slice(folder).replaceAll('\\', '/')));
    }
  }
  return ranks;
}

/** The places of held-back samples: the same share of every class, selected by seed and name. */
export async function heldBack(
  data: Pick<SampleSet, 'classes' | 'train'>,
  share: number,
  seed: number,
): Promise<Set<number>> {
  const result = new Set<number>();
  const { labels, names } = data.train;
  const ranks = await ranksOf(names, seed);
  const byLabel = data.classes.map((): number[] => []);
  for (const [i, label] of labels.entries()) byLabel[label]?.push(i);
  for (const [label, name] of data.classes.entries()) {
    const own = byLabel[label] ?? [];
    if (own.length < 2) {
      throw new TinytrainError(
        'SAMPLES_TOO_FEW',
        `class ${name} has ${own.length} sample${own.length === 1 ? '' : 's'} for training: too few to hold one back for choosing a scheme`,
        {
          class: name,
          samples: own.length,
          least: 2,
          help: ['each class needs at least 2 samples in train, unless the data has its own validation split'],
        },
      );
    }
    const ranked = own.map(i => ({ i, rank: ranks[i] ?? '' })).sort((a, b) => (a.rank < b.rank ? -1 : 1));
    for (const { i } of ranked.slice(0, heldBackOf(own, share))) result.add(i);
  }
  return result;
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
  const places = Array.from(train.labels.keys());
  return {
    train: train.subset(places.filter(i => !held.has(i))),
    validation: train.subset(places.filter(i => held.has(i))),
    all: train,
    test,
  };
}
