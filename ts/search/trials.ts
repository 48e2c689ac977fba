import type { Dataset, SampleSet } from '../data/dataset.js';
import { pixelTableCount } from '../data/input.js';
import { aborted, TinytrainError } from '../errors.js';
import { meanLoss } from '../loss.js';
import type { Model } from '../model/model.js';
import { type ActivationCache, type Control, native, type ProgramHandle, wait } from '../native.js';
import { Compiler } from '../program/compiler.js';
import { ruledRate } from '../program/rule.js';
import type { SearchSamples } from './heldout.js';
import { type Journal, trialKey } from './journal.js';
import type { SearchPhase, TrialKey, TrialRecord } from './types.js';

/** Number of depths for which activations are cached at a time. */
const LEVELS = 6;
/** Fewer runs do not repay the activations of all samples. */
const LEAST_RUNS = 3;
/** Rounds of the planner for Programs that are only trained: results do not depend on the offsets of buffers. */
const TRIAL_ROUNDS = 0;

/** The inputs of training runs. */
export interface TrialSettings {
  /** The peak rate of head and backbone; `auto` is the rule for the size of the features. */
  readonly lr: number | 'auto';
  readonly threads: number;
  readonly cacheBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** Called after each training run. */
export type TrialProgress = (done: number, total: number) => void;

interface Ready {
  readonly key: TrialKey;
  readonly program: ProgramHandle;
  readonly frozen: number;
}

/** The activation caches of the samples on which a run trains and is measured. */
interface Level {
  readonly depth: number;
  readonly learned: ActivationCache;
  readonly measured: ActivationCache;
}

/** The most useful depths, from the numbers of frozen steps of the programs: the shallowest and some others. */
function levelsOf(frozen: readonly number[]): number[] {
  const sorted = frozen.filter(steps => steps > 0).sort((a, b) => a - b);
  if (sorted.length < LEAST_RUNS) return [];
  const at = Array.from({ length: LEVELS }, (_, i) => sorted[Math.floor((i * sorted.length) / LEVELS)]);
  return [...new Set(at.filter(steps => steps !== undefined))].sort((a, b) => b - a);
}

/** Makes training runs: several at a time, each of them once, with frozen layers computed once. */
export class Trials {
  readonly #model: Model;
  readonly #data: SampleSet;
  readonly #samples: SearchSamples;
  readonly #settings: TrialSettings;
  readonly #journal: Journal;
  readonly #compilers = new Map<string, Promise<Compiler>>();
  readonly #asked = new Map<string, TrialRecord>();
  #rate: Promise<number> | undefined;
  /** Training steps so far, the seconds of the completed rounds of runs, and the start of the current round. */
  readonly #timed = { steps: 0, seconds: 0, began: Number.NaN };
  /** Number of runs for which there was no time. */
  readonly leftOut = new Map<SearchPhase, number>();
  /** The time after which no run may continue, in milliseconds of `performance.now()`. */
  deadline = Number.POSITIVE_INFINITY;

  constructor(model: Model, data: SampleSet, samples: SearchSamples, settings: TrialSettings, journal: Journal) {
    this.#model = model;
    this.#data = data;
    this.#samples = samples;
    this.#settings = settings;
    this.#journal = journal;
  }

  /** Every run that was requested and is known, in a fixed order. */
  records(): TrialRecord[] {
    return [...this.#asked].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record);
  }

  /** Total training steps of the runs that were requested and are known. */
  get steps(): number {
    let sum = 0;
    for (const { steps } of this.#asked.values()) sum += steps;
    return sum;
  }

  /** Estimated seconds for further training steps, from the duration of those so far; null if there were none. */
  secondsFor(steps: number): number | null {
    const { steps: done, seconds, began } = this.#timed;
    const now = Number.isNaN(began) ? 0 : (performance.now() - began) / 1000;
    return done === 0 ? null : ((seconds + now) / done) * steps;
  }

  /** The compiler for a seed, calibrated on the samples on which its runs train. */
  compiler(seed: number, on: TrialKey['on']): Promise<Compiler> {
    const { train, all } = this.#samples;
    // If the data has its own validation split, both are the same.
    const name = `${train === all ? '' : on}${seed}`;
    const found = this.#compilers.get(name);
    if (found) return found;
    const data = { classes: this.#data.classes, train: on === 'test' ? all : train };
    const made = Compiler.create(this.#model, data, {
      seed,
      threads: this.#settings.threads,
      signal: this.#settings.signal,
    });
    this.#compilers.set(name, made);
    return made;
  }

  /** The peak learning rate of all runs: one for head and backbone. By the rule it depends on the model and on the samples for training alone. */
  rate(): Promise<number> {
    const { lr, threads, signal } = this.#settings;
    this.#rate ??= (async () => {
      if (lr !== 'auto') return lr;
      const program = await (await this.compiler(0, 'validation')).compile({ signal });
      return ruledRate(program, this.#samples.train, threads, { signal });
    })();
    return this.#rate;
  }

  /** Number of tables of pixel values in flash, a property of the model. */
  get pixelTables(): number {
    return pixelTableCount(this.#model.input.tables);
  }

  #sets(on: TrialKey['on']): { learned: Dataset; measured: Dataset } {
    const { train, validation, all, test } = this.#samples;
    return on === 'test' ? { learned: all, measured: test } : { learned: train, measured: validation };
  }

  /** The results of runs, in the requested order; undefined for those for which there was no time. All are measured on the same samples. */
  async run(
    phase: SearchPhase,
    keys: readonly TrialKey[],
    progress: TrialProgress = () => {},
  ): Promise<(TrialRecord | undefined)[]> {
    const open = new Map<string, TrialKey>();
    for (const key of keys) if (!this.#journal.get(key)) open.set(trialKey(key), key);
    const total = new Set(keys.map(trialKey)).size;
    if (open.size > 0) await this.#runOpen([...open.values()], left => progress(total - left, total));
    return keys.map(key => {
      const record = this.#journal.get(key);
      if (record) this.#asked.set(trialKey(key), record);
      else this.leftOut.set(phase, (this.leftOut.get(phase) ?? 0) + 1);
      return record;
    });
  }

  async #runOpen(keys: readonly TrialKey[], left: (left: number) => void): Promise<void> {
    const control = new (native().Control)();
    let stopped = false;
    const stop = () => {
      stopped = true;
      control.abort();
    };
    const { signal } = this.#settings;
    if (signal?.aborted) throw aborted('the search', signal);
    const rest = this.deadline - performance.now();
    if (rest <= 0) return;
    signal?.addEventListener('abort', stop, { once: true });
    const timer = Number.isFinite(rest) ? setTimeout(stop, rest) : undefined;
    left(keys.length);
    this.#timed.began = performance.now();
    try {
      const ready = await this.#prepare(keys, control, () => stopped);
      const levels = await this.#keep(ready, control);
      await this.#pool(ready, levels, control, left);
    } catch (error) {
      if (!(error instanceof TinytrainError) || error.code !== 'ABORTED') throw error;
      if (signal?.aborted) throw aborted('the search', signal);
    } finally {
      this.#timed.seconds += (performance.now() - this.#timed.began) / 1000;
      this.#timed.began = Number.NaN;
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  async #prepare(keys: readonly TrialKey[], control: Control, stopped: () => boolean): Promise<Ready[]> {
    const ready: Ready[] = [];
    for (const key of keys) {
      if (stopped()) throw aborted('the search');
      const compiler = await this.compiler(key.seed, key.on);
      const program = await wait(() =>
        compiler.handle.compile(key.scheme, key.residualBits, TRIAL_ROUNDS, null, false, 0, control),
      );
      ready.push({ key, program, frozen: native().frozenSteps(program) });
    }
    // Long runs first, so that no thread is left with one at the end.
    return ready.sort((a, b) => a.frozen - b.frozen);
  }

  async #keep(ready: readonly Ready[], control: Control): Promise<Level[]> {
    const { threads, cacheBytes } = this.#settings;
    const on = ready[0]?.key.on ?? 'validation';
    const { learned, measured } = this.#sets(on);
    const depths = cacheBytes > 0 ? levelsOf(ready.map(({ frozen }) => frozen)) : [];
    const share = cacheBytes / Math.max(1, depths.length) / (learned.size + measured.size);
    const levels: Level[] = [];
    for (const depth of depths) {
      const program = ready.find(({ frozen }) => frozen >= depth)?.program;
      if (!program) continue;
      const keep = (set: Dataset): Promise<ActivationCache> =>
        wait(() =>
          native().ActivationCache.compute(program, set.handle, depth, Math.floor(share * set.size), threads, control),
        );
      levels.push({ depth, learned: await keep(learned), measured: await keep(measured) });
    }
    return levels;
  }

  async #pool(
    ready: readonly Ready[],
    levels: readonly Level[],
    control: Control,
    left: (left: number) => void,
  ): Promise<void> {
    let next = 0;
    let open = ready.length;
    const worker = async (): Promise<void> => {
      while (next < ready.length) {
        const job = ready[next++];
        if (!job) return;
        await this.#trial(job, levels, control);
        left(--open);
      }
    };
    const stopped = await Promise.allSettled(
      Array.from({ length: Math.min(this.#settings.threads, ready.length) }, () =>
        worker().catch(error => {
          // The others stop too, so that nothing is running when this returns.
          next = ready.length;
          control.abort();
          throw error;
        }),
      ),
    );
    const errors = stopped.flatMap(end => (end.status === 'rejected' ? [end.reason as unknown] : []));
    const first = errors.find(error => !(error instanceof TinytrainError) || error.code !== 'ABORTED') ?? errors[0];
    if (first !== undefined) throw first;
  }

  async #trial({ key, program, frozen }: Ready, levels: readonly Level[], control: Control): Promise<void> {
    const { learned, measured } = this.#sets(key.on);
    const level = levels.find(({ depth }) => depth <= frozen);
    const { steps, seed } = key;
    const rate = await this.rate();
    const began = performance.now();
    const found = await wait(() =>
      native().trial(
        program,
        [learned.handle, level?.learned],
        [measured.handle, level?.measured],
        {
          headRate: rate,
          backboneRate: rate,
          steps,
          seed,
          flip: false,
          shift: 0,
          noise: 0,
          row: 0,
          balance: false,
        },
        control,
      ),
    );
    const record: TrialRecord = {
      ...key,
      accuracy: found.correct / measured.size,
      loss: meanLoss(found.loss, measured.size),
      checksum: found.checksum,
    };
    await this.#journal.add(record, (performance.now() - began) / 1000);
    this.#asked.set(trialKey(key), record);
    this.#timed.steps += steps;
  }
}
