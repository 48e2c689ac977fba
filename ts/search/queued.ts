import { setMaxListeners } from 'node:events';
import type { Dataset } from '../data/dataset.js';
import { aborted, TinytrainError } from '../errors.js';
import { call } from '../native.js';
import type { Crew } from '../queue/crew.js';
import { SetSender } from '../queue/sets.js';
import type { SearchSamples } from './heldout.js';
import { type Batch, levelFor, levelsOf, type Ready, type TrialRunner, throwFirst } from './runner.js';
import type { TrialFound } from './trial.js';
import type { TrialKey } from './types.js';

/** How often a blob that Redis has lost is sent again for one run. */
const SENDINGS = 5;

/** Has runs made by workers on any machines. */
export class QueuedRunner implements TrialRunner {
  readonly #crew: Crew;
  readonly #samples: SearchSamples;
  readonly #sender: SetSender;

  constructor(crew: Crew, samples: SearchSamples) {
    this.#crew = crew;
    this.#samples = samples;
    this.#sender = new SetSender(crew.blobs);
  }

  async #sendSets(on: TrialKey['on']): Promise<SetNames> {
    const { all, validation, test, places } = this.#samples;
    const send = async (set: Dataset, which?: readonly number[]) =>
      (await this.#sender.send(set, { places: which })).name;
    if (on === 'test') return { learned: await send(all), measured: await send(test) };
    const learned = await send(all, places?.train);
    return { learned, measured: await (places ? send(all, places.validation) : send(validation)) };
  }

  async #sendProgram({ program }: Ready): Promise<string> {
    return this.#crew.blobs.putBytes(call(() => program.toBytes()));
  }

  /** What is damaged in Redis is removed, so that the next search sends it again. */
  async #discarded(error: TinytrainError): Promise<TinytrainError> {
    const { blob } = error.details;
    if (typeof blob !== 'string') return error;
    await this.#crew.blobs.drop(blob);
    const help = ['it is removed from Redis: go on with --resume, and it is sent again'];
    return new TinytrainError(error.code, error.message, { ...error.details, help }, error);
  }

  async run({ runs, on, rate, signal }: Batch, done: (run: Ready, found: TrialFound) => Promise<void>): Promise<void> {
    const failed = new AbortController();
    const stop = AbortSignal.any([signal, failed.signal]);
    setMaxListeners(0, stop);
    const programs = new Set<string>();
    // A server that is gone keeps whoever sends it something waiting until it is back.
    const sendSets = () => unlessStopped(this.#sendSets(on), stop);
    const send = async (run: Ready): Promise<string> => {
      const name = await unlessStopped(this.#sendProgram(run), stop);
      programs.add(name);
      return name;
    };
    const levels: { readonly depth: number; readonly program: string; readonly of: Ready }[] = [];
    for (const level of levelsOf(runs, Math.max(1, this.#crew.workers.processes))) {
      levels.push({ ...level, program: await send(level.of) });
    }
    const one = async (run: Ready, program: string, sets: SetNames): Promise<void> => {
      const found = levelFor(run, levels);
      const level = found ? { depth: found.depth, program: found.program, of: levels.length } : null;
      const { steps, seed } = run.key;
      const job = { kind: 'trial', program, ...sets, rate, steps, seed, level } as const;
      for (let again = 0; ; again++) {
        try {
          return await done(run, await this.#crew.ask(job, stop));
        } catch (error) {
          if (!(error instanceof TinytrainError)) throw error;
          if (error.code === 'BLOB_BROKEN') throw await this.#discarded(error);
          if (error.code !== 'BLOB_MISSING' || again === SENDINGS) throw error;
          await sendSets();
          for (const one of new Set([run, ...(found ? [found.of] : [])])) await send(one);
        }
      }
    };
    const open: Promise<void>[] = [];
    try {
      const sets = await sendSets();
      for (const run of runs) {
        if (stop.aborted) break;
        const ended = one(run, await send(run), sets);
        // The others stop too.
        ended.catch(() => failed.abort());
        open.push(ended);
      }
    } catch (error) {
      failed.abort();
      open.push(Promise.reject(error));
    }
    throwFirst(await Promise.allSettled(open));
    if (stop.aborted) throw aborted('the search', signal);
    // Nothing will ask for these Programs again.
    await unlessStopped(Promise.all([...programs].map(name => this.#crew.blobs.drop(name))), stop);
  }
}

/** Waits for work, but no longer than until a signal stops it; it then throws `ABORTED`. */
function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(aborted('the search', signal));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** The names of the sets on which a run trains and is measured. */
interface SetNames {
  readonly learned: string;
  readonly measured: string;
}
