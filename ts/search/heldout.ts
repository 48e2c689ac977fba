import { createHash } from 'node:crypto';
import type { Dataset, PictureSet } from '../data/dataset.js';
import { TinytrainError } from '../errors.js';

/** Pictures as a search uses them. */
export interface SearchPictures {
  /** What candidates learn from. */
  readonly train: Dataset;
  /** What they are compared on. */
  readonly validation: Dataset;
  /** What the final runs learn from: everything but the test. */
  readonly all: Dataset;
  /** What those are measured on. Not touched before. */
  readonly test: Dataset;
}

function rank(seed: number, name: string): string {
  return createHash('sha256').update(`held back\n${seed}\n${name}`).digest('hex');
}

/** Pictures of a class that are held back: a share, at least one, and one is left to learn from. */
function heldBackOf(own: readonly number[], share: number): number {
  return Math.min(own.length - 1, Math.max(1, Math.round(share * own.length)));
}

/** The places of held-back pictures: of every class the same share, chosen by seed and name. */
export function heldBack(data: Pick<PictureSet, 'classes' | 'train'>, share: number, seed: number): Set<number> {
  const result = new Set<number>();
  const { labels, names } = data.train;
  const byLabel = data.classes.map((): number[] => []);
  labels.forEach((label, i) => byLabel[label]?.push(i));
  for (const [label, name] of data.classes.entries()) {
    const own = byLabel[label] ?? [];
    if (own.length < 2) {
      throw new TinytrainError(
        'PICTURES_TOO_FEW',
        `class ${name} has ${own.length} picture${own.length === 1 ? '' : 's'} to learn from: too few to hold one back to choose a scheme by`,
        {
          class: name,
          pictures: own.length,
          least: 2,
          help: ['each class needs at least 2 pictures in train, or the data a validation split of its own'],
        },
      );
    }
    const ranked = own.map(i => ({ i, rank: rank(seed, names[i] ?? String(i)) })).sort((a, b) => (a.rank < b.rank ? -1 : 1));
    for (const { i } of ranked.slice(0, heldBackOf(own, share))) result.add(i);
  }
  return result;
}

/** Holds a validation part back from the training split, unless the data has one. */
export function searchPictures(data: PictureSet, share: number, seed: number): SearchPictures {
  const { classes, train, validation, test } = data;
  if (classes.length < 2) {
    throw new TinytrainError('CLASSES_TOO_FEW', `${data.source}: ${classes.length} class; at least two are needed`, {
      classes: classes.length,
      least: 2,
    });
  }
  if (validation && validation.size > 0) return { train, validation, all: train, test };
  const held = heldBack(data, share, seed);
  const places = Array.from(train.labels.keys());
  return {
    train: train.subset(places.filter(i => !held.has(i))),
    validation: train.subset(places.filter(i => held.has(i))),
    all: train,
    test,
  };
}
