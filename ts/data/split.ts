import { createHash } from 'node:crypto';
import { TinytrainError } from '../errors.js';
import { images, type SampleKind } from './kind.js';

/** The purpose of a sample: training, choosing between schemes, or the final measurement. */
export type Split = 'train' | 'validation' | 'test';

/** All splits. */
export const splits: readonly Split[] = ['train', 'validation', 'test'];

const names: Readonly<Record<string, Split>> = {
  train: 'train',
  training: 'train',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  test: 'test',
  testing: 'test',
  eval: 'test',
  evaluation: 'test',
};

/** The split denoted by a folder's name, in small or capital letters. */
export function splitOf(name: string): Split | undefined {
  const word = name.toLowerCase();
  return Object.hasOwn(names, word) ? names[word] : undefined;
}

/** Shares of a class that are held back from training. */
export interface SplitShares {
  readonly validation: number;
  readonly test: number;
}

/** A fifth for the test, the rest for training. */
export const defaultShares: SplitShares = { validation: 0, test: 0.2 };

/** An item to be split: a label, and a name that determines its order. */
interface Splittable {
  readonly path: string;
  readonly label: number;
}

function rank(seed: number, path: string): string {
  return createHash('sha256').update(`${seed}\n${path}`).digest('hex');
}

function count(share: number, of: number): number {
  return share === 0 ? 0 : Math.max(1, Math.round(share * of));
}

/**
 * Splits every class by the same shares. The split of an image depends only on the seed and the image's name, so that adding an image moves few
 * others. `nameOf` returns the name relative to the data folder, since a folder may be moved.
 */
export function stratify<T extends Splittable>(
  files: readonly T[],
  classes: readonly string[],
  seed: number,
  nameOf: (file: T) => string,
  shares: SplitShares = defaultShares,
  kind: Pick<SampleKind, 'one' | 'many'> = images,
): Record<Split, T[]> {
  const result: Record<Split, T[]> = { train: [], validation: [], test: [] };
  for (const [label, name] of classes.entries()) {
    const own = files.filter(file => file.label === label);
    const ranked = own
      .map(file => ({ file, rank: rank(seed, nameOf(file)) }))
      .sort((a, b) => (a.rank < b.rank ? -1 : 1))
      .map(({ file }) => file);
    const test = count(shares.test, own.length);
    const validation = count(shares.validation, own.length);
    if (test + validation >= own.length) {
      throw new TinytrainError(
        'CLASS_TOO_SMALL',
        `class ${name} has ${own.length} ${own.length === 1 ? kind.one : kind.many}, too few to hold some back for a test`,
        { class: name, images: own.length, help: [`add ${kind.many}, or split them yourself into train/ and test/`] },
      );
    }
    const chosen = new Map<T, Split>([
      ...ranked.slice(0, test).map(file => [file, 'test'] as const),
      ...ranked.slice(test, test + validation).map(file => [file, 'validation'] as const),
    ]);
    for (const file of own) result[chosen.get(file) ?? 'train'].push(file);
  }
  return result;
}
