import { TinytrainError } from '../errors.js';
import { estimate } from '../search/statistics.js';
import type { Estimate, FrontPoint, SearchResult, TrialRecord } from '../search/types.js';
import { classesOf } from '../train/tested.js';
import type { RunResult } from '../train/types.js';
import type { Opened } from './folders.js';

/** Two runs, test image by test image. */
export interface Pair {
  /** Seeds of the two. */
  readonly seeds: readonly [base: number, other: number];
  readonly images: number;
  /** Numbers of images that both, only the one, only the other, and neither classify correctly. */
  readonly both: number;
  readonly onlyBase: number;
  readonly onlyOther: number;
  readonly neither: number;
  /** Accuracy of the other less that of the base, as a share of 1. */
  readonly difference: number;
  /** Standard error of the difference, paired by image. */
  readonly standardError: number;
}

/** What is compared, on its own. */
export interface Compared {
  readonly path: string;
  readonly kind: 'runs' | 'search';
  readonly scheme: string;
  readonly residualBits: number;
  /** Bytes of SRAM in all. */
  readonly sram: number;
  readonly steps: number;
  readonly seeds: readonly number[];
  /** Accuracy on the test images. */
  readonly accuracy: Estimate;
}

/** Another one compared with the first. */
export interface Difference {
  readonly path: string;
  /** The seeds over which the two are paired. */
  readonly seeds: readonly number[];
  /** Difference in accuracy over these seeds, as a share of 1. */
  readonly bySeed: Estimate;
  /** Image by image, a pair of runs each; none for searches, which do not keep what they made of each image. */
  readonly pairs: readonly Pair[];
}

/** The result of `compare`. */
export interface Comparison {
  /** In the order given; the first is what the others are compared with. */
  readonly folders: readonly Compared[];
  readonly differences: readonly Difference[];
}

interface Scored {
  readonly seed: number;
  readonly accuracy: number;
}

function refused(why: string, help: readonly string[] = []): TinytrainError {
  return new TinytrainError('NOT_COMPARABLE', why, { help });
}

/** The scheme that a search has found for its largest budget. */
function bestOf(path: string, { front }: SearchResult): FrontPoint {
  const found = front.at(-1);
  if (found) return found;
  throw refused(`${path}: the search has found no scheme`);
}

function testedOf(path: string, result: SearchResult): readonly TrialRecord[] {
  const { scheme, residualBits } = bestOf(path, result);
  const found = result.trials.filter(
    one => one.on === 'test' && one.scheme === scheme && one.residualBits === residualBits,
  );
  if (found.length > 0) return found;
  throw refused(`${path}: the search has not tested what it has found`);
}

function facts(opened: Opened): Compared {
  const { path } = opened;
  if (opened.kind === 'firmware') {
    throw refused(`${path}: a firmware has no accuracy to compare`, ['compare the run that it was compiled from']);
  }
  if (opened.kind === 'search') {
    const { scheme, residualBits, sram } = bestOf(path, opened.result);
    const trials = testedOf(path, opened.result);
    const accuracy = estimate(trials.map(one => one.accuracy));
    const [seeds, steps] = [trials.map(({ seed }) => seed), trials[0]?.steps ?? 0];
    return { path, kind: 'search', scheme, residualBits, sram, steps, seeds, accuracy };
  }
  const results = opened.runs.map(({ result }) => result);
  const [first] = results;
  if (!first) throw refused(`${path}: there is no run in it`);
  const { scheme, residualBits, memory, steps } = first;
  const accuracy = estimate(results.map(one => one.accuracy.after));
  const seeds = results.map(({ seed }) => seed);
  return { path, kind: 'runs', scheme, residualBits, sram: memory.sram.total, steps, seeds, accuracy };
}

/** Two runs, paired by image. */
function pairOf(base: RunResult, other: RunResult, what: string): Pair {
  if (base.tested.samples !== other.tested.samples) {
    throw refused(`${what}: not tested on the same images`, [
      'a folder that is split by seed has other test images with each seed: give it the folders train and test',
    ]);
  }
  const labels = classesOf(base.tested.labels);
  const [ours, theirs] = [classesOf(base.tested.predicted), classesOf(other.tested.predicted)];
  const right = Array.from(labels, (label, i) => [ours[i] === label, theirs[i] === label] as const);
  const count = (a: boolean, b: boolean) => right.filter(([x, y]) => x === a && y === b).length;
  const { mean, standardError } = estimate(right.map(([a, b]) => Number(b) - Number(a)));
  return {
    seeds: [base.seed, other.seed],
    images: labels.length,
    both: count(true, true),
    onlyBase: count(true, false),
    onlyOther: count(false, true),
    neither: count(false, false),
    difference: mean,
    standardError: standardError ?? 0,
  };
}

/** Scores of the same seeds. A single one on either side is paired whatever its seed. */
function bySeed<T extends Scored>(base: readonly T[], other: readonly T[], what: string): readonly (readonly [T, T])[] {
  const [one, two] = [base[0], other[0]];
  if (base.length === 1 && other.length === 1 && one && two) return [[one, two]];
  const pairs = base.flatMap(a => other.filter(b => b.seed === a.seed).map(b => [a, b] as const));
  if (pairs.length > 0) return pairs;
  throw refused(`${what}: no seed in common`);
}

function differenceOf(base: Opened, other: Opened): Difference {
  const what = `${base.path} and ${other.path}`;
  const { path } = other;
  const overSeeds = (pairs: readonly (readonly [Scored, Scored])[]) => ({
    path,
    seeds: pairs.map(([, { seed }]) => seed),
    bySeed: estimate(pairs.map(([a, b]) => b.accuracy - a.accuracy)),
  });
  if (base.kind === 'runs' && other.kind === 'runs') {
    const scored = ({ result }: { readonly result: RunResult }) => ({
      seed: result.seed,
      accuracy: result.accuracy.after,
      result,
    });
    const pairs = bySeed(base.runs.map(scored), other.runs.map(scored), what);
    return { ...overSeeds(pairs), pairs: pairs.map(([a, b]) => pairOf(a.result, b.result, what)) };
  }
  if (base.kind === 'search' && other.kind === 'search') {
    const [a, b] = [base.result, other.result];
    if (a.data.hash !== b.data.hash) throw refused(`${what}: not of the same images in the same form`);
    return { ...overSeeds(bySeed(testedOf(base.path, a), testedOf(path, b), what)), pairs: [] };
  }
  throw refused(`${what}: a search and a training run cannot be compared`, [
    'train with the scheme that was found, and compare that run: npx tinytrain train --scheme SEARCH/scheme.json',
  ]);
}

/** Compares every folder with the first: by seed and, for runs, by test image. Throws `NOT_COMPARABLE`. */
export function compareFolders(opened: readonly Opened[]): Comparison {
  const [base, ...others] = opened;
  const folders = opened.map(facts);
  return { folders, differences: base ? others.map(other => differenceOf(base, other)) : [] };
}
