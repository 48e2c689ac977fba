import { sha256, turn } from '#host';
import { TinytrainError } from '../errors.js';
import type { SampleSet } from './dataset.js';

/** Length of the folder prefix that all names share; it is ignored, since a folder may be moved or given as another path. */
function folderLength(names: readonly string[]): number {
  const [first = ''] = names;
  let length = first.length;
  for (const name of names) while (!name.startsWith(first.slice(0, length))) length--;
  return Math.max(first.lastIndexOf('/', length - 1), first.lastIndexOf('\\', length - 1)) + 1;
}

function rank(seed: number, name: string): string {
  return sha256().update(`held back\n${seed}\n${name}`).digest('hex');
}

/** Number of samples of a class that are held back: a share, at least one, with at least one left for training. */
function heldBackOf(own: readonly number[], share: number): number {
  return Math.min(own.length - 1, Math.max(1, Math.round(share * own.length)));
}

/** Number of names that are hashed without a pause: a few milliseconds. */
const CHUNK = 500;

async function ranksOf(names: readonly string[], seed: number): Promise<string[]> {
  const folder = folderLength(names);
  const ranks: string[] = [];
  for (let from = 0; from < names.length; from += CHUNK) {
    // Other tasks on this thread get their turn.
    if (from > 0) await turn();
    for (const name of names.slice(from, from + CHUNK)) {
      ranks.push(rank(seed, name.slice(folder).replaceAll('\\', '/')));
    }
  }
  return ranks;
}

/**
 * The places of held-back samples: the same share of every class that has any, selected by seed and name. One without is known from elsewhere: from the run that a search
 * goes on from. Throws `SAMPLES_TOO_FEW`.
 */
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
    if (own.length === 0) continue;
    if (own.length < 2) {
      throw new TinytrainError('SAMPLES_TOO_FEW', `class ${name} has 1 sample for training: too few to hold one back`, {
        class: name,
        samples: own.length,
        least: 2,
        help: ['each class needs at least 2 samples in train, unless the data has its own validation split'],
      });
    }
    const ranked = own.map(i => ({ i, rank: ranks[i] ?? '' })).sort((a, b) => (a.rank < b.rank ? -1 : 1));
    for (const { i } of ranked.slice(0, heldBackOf(own, share))) result.add(i);
  }
  return result;
}
