import type { Dataset } from '../data/dataset.js';
import { TinytrainError } from '../errors.js';
import { type Control, native, type ProgramHandle } from '../native.js';
import type { SearchSamples } from './heldout.js';
import { keepLevel, type LevelCache, runTrial, type TrialFound } from './trial.js';
import type { TrialKey } from './types.js';

/** Number of depths for which activations are cached at a time. */
const LEVELS = 6;
/** Fewer runs do not repay the activations of all samples. */
const LEAST_RUNS = 3;

/** A training run whose Program is compiled. */
export interface Ready {
  readonly key: TrialKey;
  readonly program: ProgramHandle;
  /** Number of its first steps that it does not train. */
  readonly frozen: number;
}

/** Training runs that can be made at the same time, all on the same samples. The longest come first. */
export interface Batch {
  readonly runs: readonly Ready[];
  readonly on: TrialKey['on'];
  /** The peak learning rate of all of them. */
  readonly rate: number;
  /** Stops them. */
  readonly signal: AbortSignal;
}

/** Where training runs are made: on threads of this process, or by workers on any machines. The results are the same. */
export interface TrialRunner {
  /** Makes all runs of a batch, and tells each result as it arrives, in any order. Rejects with `ABORTED` when it is stopped. */
  run(batch: Batch, done: (run: Ready, found: TrialFound) => Promise<void>): Promise<void>;
}

/** First steps that several runs of a batch have in common and do not train; the activations after them are worth keeping. */
export interface Level {
  readonly depth: number;
  /** A run whose Program computes them. */
  readonly of: Ready;
}

/** The samples on which runs train and are measured. */
export function setsOf({ train, validation, all, test }: SearchSamples, on: TrialKey['on']) {
  return on === 'test' ? { learned: all, measured: test } : { learned: train, measured: validation };
}

/**
 * The most useful depths, the deepest first, from the numbers of frozen steps: the shallowest and some others. Where the runs are spread over machines, each of
 * which computes what it keeps, fewer runs share it and fewer depths repay it.
 */
export function levelsOf(runs: readonly Ready[], machines = 1): Level[] {
  const sorted = runs.filter(({ frozen }) => frozen > 0).sort((a, b) => a.frozen - b.frozen);
  const worth = Math.floor(sorted.length / machines / LEAST_RUNS);
  if (worth === 0) return [];
  const levels = machines === 1 ? LEVELS : Math.min(LEVELS, worth);
  const found = new Map<number, Ready>();
  for (let i = 0; i < levels; i++) {
    const run = sorted[Math.floor((i * sorted.length) / levels)];
    if (run && !found.has(run.frozen)) found.set(run.frozen, run);
  }
  return [...found].map(([depth, of]) => ({ depth, of })).sort((a, b) => b.depth - a.depth);
}

/** The deepest level that a run can begin at. */
export function levelFor<T extends { readonly depth: number }>({ frozen }: Ready, levels: readonly T[]): T | undefined {
  return levels.find(({ depth }) => depth <= frozen);
}

/** Makes runs on threads of this process. */
export class LocalRunner implements TrialRunner {
  readonly #samples: SearchSamples;
  readonly #threads: number;
  readonly #cacheBytes: number;

  constructor(samples: SearchSamples, threads: number, cacheBytes: number) {
    this.#samples = samples;
    this.#threads = threads;
    this.#cacheBytes = cacheBytes;
  }

  async run(batch: Batch, done: (run: Ready, found: TrialFound) => Promise<void>): Promise<void> {
    const control = new (native().Control)();
    const stop = () => control.abort();
    if (batch.signal.aborted) stop();
    batch.signal.addEventListener('abort', stop, { once: true });
    try {
      const sets = setsOf(this.#samples, batch.on);
      await this.#pool(batch, sets, await this.#keep(batch, sets, control), control, done);
    } finally {
      batch.signal.removeEventListener('abort', stop);
    }
  }

  async #keep({ runs }: Batch, sets: Sets, control: Control): Promise<(Level & LevelCache)[]> {
    const levels = this.#cacheBytes > 0 ? levelsOf(runs) : [];
    const kept: (Level & LevelCache)[] = [];
    for (const level of levels) {
      const bytes = this.#cacheBytes / levels.length;
      const cache = await keepLevel(level.of.program, level.depth, sets, bytes, this.#threads, control);
      kept.push({ ...level, ...cache });
    }
    return kept;
  }

  async #pool(
    { runs, rate }: Batch,
    sets: Sets,
    levels: readonly (Level & LevelCache)[],
    control: Control,
    done: (run: Ready, found: TrialFound) => Promise<void>,
  ): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < runs.length) {
        const run = runs[next++];
        if (!run) return;
        const level = levelFor(run, levels);
        const learned = { set: sets.learned, cache: level?.learned };
        const measured = { set: sets.measured, cache: level?.measured };
        const { steps, seed } = run.key;
        await done(run, await runTrial(run.program, learned, measured, { rate, steps, seed }, control));
      }
    };
    const stopped = await Promise.allSettled(
      Array.from({ length: Math.min(this.#threads, runs.length) }, () =>
        worker().catch(error => {
          // The others stop too, so that nothing is running when this returns.
          next = runs.length;
          control.abort();
          throw error;
        }),
      ),
    );
    throwFirst(stopped);
  }
}

interface Sets {
  readonly learned: Dataset;
  readonly measured: Dataset;
}

/** Throws the first error; the others were stopped because of it. */
export function throwFirst(ends: readonly PromiseSettledResult<unknown>[]): void {
  const errors = ends.flatMap(end => (end.status === 'rejected' ? [end.reason as unknown] : []));
  const first = errors.find(error => !(error instanceof TinytrainError) || error.code !== 'ABORTED') ?? errors[0];
  if (first !== undefined) throw first;
}
