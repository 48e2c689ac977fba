import type { Dataset } from '../data/dataset.js';
import { type ActivationCache, type Control, native, type ProgramHandle, unchanged, wait } from '../native.js';

/** The worker that has made a training run. No result depends on it. */
export interface Maker {
  /** Name of its machine, and number of its process there. */
  readonly host: string;
  readonly process: number;
  readonly threads: number;
  /** How often the run was begun, by any worker. */
  readonly begun: number;
}

/** What a training run yields. */
export interface TrialFound {
  /** Samples that are classified correctly after training. */
  readonly correct: number;
  /** Sum of their losses, with 16 fraction bits. */
  readonly loss: number;
  /** SHA-256 over all trainable state. */
  readonly checksum: string;
  /** How long it took; no result depends on it. */
  readonly seconds: number;
  /** Who has made it; undefined for this process. */
  readonly by?: Maker | undefined;
}

/** Samples, and the activations that are kept of them. */
export interface WithCache {
  readonly set: Dataset;
  readonly cache?: ActivationCache | undefined;
}

/** The activations after some first steps that are kept of the samples on which a run trains and is measured. */
export interface LevelCache {
  readonly learned: ActivationCache;
  readonly measured: ActivationCache;
}

/** Keeps the activations after the first `depth` steps of a Program, of as many samples as fit into `bytes` bytes: the same share of both sets. */
export async function keepLevel(
  program: ProgramHandle,
  depth: number,
  { learned, measured }: { readonly learned: Dataset; readonly measured: Dataset },
  bytes: number,
  threads: number,
  control: Control,
): Promise<LevelCache> {
  const share = bytes / (learned.size + measured.size);
  const keep = (set: Dataset): Promise<ActivationCache> =>
    wait(() =>
      native().ActivationCache.compute(program, set.handle, depth, Math.floor(share * set.size), threads, control),
    );
  return { learned: await keep(learned), measured: await keep(measured) };
}

/** A training run of a search, on one thread: a pure function of Program, samples, rate, steps and seed, here and on any other machine. */
export async function runTrial(
  program: ProgramHandle,
  learned: WithCache,
  measured: WithCache,
  { rate, steps, seed }: { readonly rate: number; readonly steps: number; readonly seed: number },
  control: Control,
): Promise<TrialFound> {
  const began = performance.now();
  const found = await wait(() =>
    native().trial(
      program,
      [learned.set.handle, learned.cache],
      [measured.set.handle, measured.cache],
      {
        headRate: rate,
        backboneRate: rate,
        steps,
        seed,
        augment: unchanged,
        balance: false,
      },
      control,
    ),
  );
  return { ...found, seconds: (performance.now() - began) / 1000 };
}
