import type { SampleSet } from '../data/dataset.js';
import { pixelTableCount } from '../data/input.js';
import { aborted, TinytrainError } from '../errors.js';
import { meanLoss } from '../loss.js';
import type { Model } from '../model/model.js';
import { type Control, native, wait } from '../native.js';
import { Compiler } from '../program/compiler.js';
import { ruledRate } from '../program/rule.js';
import type { SearchSamples } from './heldout.js';
import { type Journal, trialKey } from './journal.js';
import { type Ready, setsOf, type TrialRunner } from './runner.js';
import type { Maker, TrialFound } from './trial.js';
import type { SearchPhase, TrialKey, TrialRecord } from './types.js';

/** Rounds of the planner for Programs that are only trained: results do not depend on the offsets of buffers. */
const TRIAL_ROUNDS = 0;

/** The inputs of training runs. */
export interface TrialSettings {
  /** The peak rate of head and backbone; `auto` is the rule for the size of the features. */
  readonly lr: number | 'auto';
  /** Threads for calibration. */
  readonly threads: number;
  readonly signal: AbortSignal | undefined;
  /** Is told of each run when its result is known, once. */
  readonly onTrial?: ((trial: TrialRecord, by: Maker | undefined) => void) | undefined;
}

/** Called after each training run. */
export type TrialProgress = (done: number, total: number) => void;

/** Training runs: what is compiled for them, each of them once, and their results. Where they are made is for the runner to know. */
export class Trials {
  readonly #model: Model;
  readonly #data: SampleSet;
  readonly #samples: SearchSamples;
  readonly #settings: TrialSettings;
  readonly #journal: Journal;
  readonly #runner: TrialRunner;
  readonly #compilers = new Map<string, Promise<Compiler>>();
  readonly #asked = new Map<string, TrialRecord>();
  #rate: Promise<number> | undefined;
  /** Training steps so far, the seconds of the completed rounds of runs, and the start of the current round. */
  readonly #timed = { steps: 0, seconds: 0, began: Number.NaN };
  /** Number of runs for which there was no time. */
  readonly leftOut = new Map<SearchPhase, number>();
  /** The time after which no run may continue, in milliseconds of `performance.now()`. */
  deadline = Number.POSITIVE_INFINITY;

  constructor(
    model: Model,
    data: SampleSet,
    samples: SearchSamples,
    settings: TrialSettings,
    journal: Journal,
    runner: TrialRunner,
  ) {
    this.#model = model;
    this.#data = data;
    this.#samples = samples;
    this.#settings = settings;
    this.#journal = journal;
    this.#runner = runner;
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
      if (record) this.#ask(key, record);
      else this.leftOut.set(phase, (this.leftOut.get(phase) ?? 0) + 1);
      return record;
    });
  }

  #ask(key: TrialKey, record: TrialRecord, by?: Maker): void {
    const name = trialKey(key);
    if (this.#asked.has(name)) return;
    this.#asked.set(name, record);
    this.#settings.onTrial?.(record, by);
  }

  async #runOpen(keys: readonly TrialKey[], left: (left: number) => void): Promise<void> {
    const control = new (native().Control)();
    const stopping = new AbortController();
    const stop = () => {
      stopping.abort();
      control.abort();
    };
    const { signal } = this.#settings;
    if (signal?.aborted) throw aborted('the search', signal);
    const rest = this.deadline - performance.now();
    if (rest <= 0) return;
    signal?.addEventListener('abort', stop, { once: true });
    const timer = Number.isFinite(rest) ? setTimeout(stop, rest) : undefined;
    let open = keys.length;
    left(open);
    this.#timed.began = performance.now();
    try {
      const runs = await this.#prepare(keys, control, stopping.signal);
      const on = runs[0]?.key.on ?? 'validation';
      const batch = { runs, on, rate: await this.rate(), signal: stopping.signal };
      await this.#runner.run(batch, async ({ key }, found) => {
        await this.#store(key, found);
        left(--open);
      });
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

  async #prepare(keys: readonly TrialKey[], control: Control, signal: AbortSignal): Promise<Ready[]> {
    const ready: Ready[] = [];
    for (const key of keys) {
      if (signal.aborted) throw aborted('the search');
      const compiler = await this.compiler(key.seed, key.on);
      const program = await wait(() =>
        compiler.handle.compile(key.scheme, key.residualBits, TRIAL_ROUNDS, null, false, 0, control),
      );
      ready.push({ key, program, frozen: native().frozenSteps(program) });
    }
    // Long runs first, so that no thread is left with one at the end.
    return ready.sort((a, b) => a.frozen - b.frozen);
  }

  async #store(key: TrialKey, found: TrialFound): Promise<void> {
    const { measured } = setsOf(this.#samples, key.on);
    const record: TrialRecord = {
      ...key,
      accuracy: found.correct / measured.size,
      loss: meanLoss(found.loss, measured.size),
      checksum: found.checksum,
    };
    await this.#journal.add(record, found.seconds, found.by);
    this.#ask(key, record, found.by);
    this.#timed.steps += key.steps;
  }
}
