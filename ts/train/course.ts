import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import type { SampleSet } from '../data/dataset.js';
import { aborted } from '../errors.js';
import { meanLoss } from '../loss.js';
import { call, native, unchanged, wait, watched } from '../native.js';
import type { Program } from '../program/program.js';
import { ratesOfStep } from '../rates.js';
import { findRates } from './race.js';
import { Session } from './session.js';
import { planOf } from './train.js';
import type { FoundRates } from './types.js';

/** Steps without a pause for other tasks on this thread. */
const STRETCH = 20;

/** A run at one of the steps at which it was looked at. */
export interface CourseMark {
  /** Training steps done. */
  readonly step: number;
  /** Share of all test samples that were classified correctly. */
  readonly accuracy: number;
  /** Mean loss on them, natural logarithm. */
  readonly loss: number;
  /** SHA-256 over all trainable state. */
  readonly checksum: string;
}

/** A training run that was looked at on its way: nothing is decided by the test samples. */
export interface Course {
  readonly rates: FoundRates;
  readonly marks: readonly CourseMark[];
}

/** Options of a course. */
export interface CourseOptions {
  /** Training steps, one sample each. */
  readonly steps: number;
  /** The training samples in the order in which they come, by their places in the split; after the last one, the first comes again. */
  readonly order: readonly number[];
  /** The steps after which the run is looked at, ascending, from 0 to `steps`. */
  readonly at: readonly number[];
  /** Number of threads; one per core by default. Does not affect results. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: CourseProgress) => void) | undefined;
}

/** Progress of a course. */
export interface CourseProgress {
  readonly phase: 'rates' | 'training';
  readonly done: number;
  readonly total: number;
}

/** Measures states of a Program on all test samples. */
class Examiner {
  readonly #trainer;
  readonly #start;
  readonly #set;
  readonly #options: CourseOptions;

  constructor(program: Program, { train, test }: SampleSet, options: CourseOptions) {
    const none = {
      headRate: 0,
      backboneRate: 0,
      steps: 1,
      seed: 0,
      balance: false,
      replaySteps: 0,
      cacheBytes: 0,
      threads: 1,
      augment: unchanged,
    };
    this.#trainer = call(() => new (native().Trainer)(program.handle, train.handle, none));
    this.#start = call(() => this.#trainer.checkpoint());
    this.#set = test;
    this.#options = options;
  }

  /** What a state that was reached after `step` steps makes of them. */
  async mark(step: number, state: Uint8Array): Promise<CourseMark> {
    const { threads = availableParallelism(), signal } = this.#options;
    call(() => this.#trainer.restore({ ...this.#start, state }));
    const { handle, size } = this.#set;
    const found = await watched(control => this.#trainer.evaluate(handle, threads, control), { signal });
    const checksum = await wait(async () => this.#trainer.checksum());
    return { step, accuracy: found.correct / size, loss: meanLoss(found.loss, size), checksum };
  }
}

/**
 * Trains as a device does, one sample after the other and to the last step whatever happens, at rates that are found as `train` finds them; and looks at all
 * test samples after the given steps. Throws `ABORTED`.
 */
export async function courseOf(program: Program, data: SampleSet, options: CourseOptions): Promise<Course> {
  const { steps, order, at, threads = availableParallelism(), signal, onProgress } = options;
  const plan = planOf(program, data, { steps, threads });
  const tell = (phase: CourseProgress['phase'], done: number, total: number) => onProgress?.({ phase, done, total });
  const rates = await findRates(program, data, {
    plan,
    threads,
    signal,
    onProgress: (done, total) => tell('rates', done, total),
  });
  const session = new Session(program);
  const examiner = new Examiner(program, data, options);
  const marks: CourseMark[] = [];
  let step = 0;
  for (const next of at) {
    while (step < next) {
      const place = order[step % order.length] ?? 0;
      session.trainStep(data.train.sample(place), data.train.labels[place] ?? 0, ratesOfStep(rates, steps, step));
      step++;
      if (step % STRETCH > 0 && step < next) continue;
      tell('training', step, steps);
      await setImmediate();
      if (signal?.aborted) throw aborted('training', signal);
    }
    marks.push(await examiner.mark(step, session.state()));
  }
  return { rates, marks };
}
