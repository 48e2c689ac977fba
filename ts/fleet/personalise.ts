import { promises as fs } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { Channel } from '../channel.js';
import type { SampleSet } from '../data/dataset.js';
import type { FolderOptions } from '../data/images/folder.js';
import { sampleFolder, sampleOptions } from '../data/open.js';
import type { SeriesOptions } from '../data/series/folder.js';
import { firmwareFiles, writeFirmware } from '../device/firmware.js';
import { aborted, fileError, TinytrainError } from '../errors.js';
import { checkWritable } from '../files.js';
import { checkNames, OwnFolder } from '../folder.js';
import type { Model, ModelOptions } from '../model/model.js';
import { options as all, checkOptions, optionTable } from '../options.js';
import { type CompileOptions, compile, compileOptions } from '../program/compiler.js';
import { defaultTarget } from '../program/memory.js';
import type { Program } from '../program/program.js';
import { Crew, type Workers } from '../queue/crew.js';
import { placeOf } from '../queue/redis.js';
import { type RecordKind, readRecord, recordText } from '../records.js';
import { createRun, openRun, type RunFolder } from '../train/run.js';
import { planOptions, type TrainOptions, train } from '../train/train.js';
import type { RunResult } from '../train/types.js';
import { trainElsewhere } from './elsewhere.js';
import { type Person, type PersonFailed, type Summary, summaryOf, summaryText } from './summary.js';

/** Name of the record of what a folder of users is made with, and of its summary. */
const files = { record: 'personalise.json', summary: 'summary.json' };
/** Name of the folder of a user's firmware, within that of the user. */
const FIRMWARE = 'firmware';
/** Runs that are asked for, for each thread of a worker: one that it makes and one that is ready when it ends. */
const AHEAD = 2;
/** Errors that have to do with one user's samples or folder; any other would stop every user alike, and stops all. */
const OF_ONE =
  /^(RUN_|FOLDER_|FIRMWARE_|DATA_|CLASS|SAMPLES_|IMAGE_|RECORDING_|INPUT_|SIZE_MISMATCH|PROGRAM_BROKEN|PROGRAM_DIFFERS|PROGRAM_VERSION)/;

/** What each user's samples are read with, what is compiled, and how it is trained: the options of `sampleFolder`, `compile` and `train`. */
export interface PersonaliseOptions
  extends Omit<CompileOptions, 'threads' | 'signal'>,
    Omit<FolderOptions & SeriesOptions, 'seed'>,
    Pick<TrainOptions, 'steps' | 'epochs' | 'lr' | 'lrHead' | 'balance' | 'keep' | 'augment' | 'replaySteps'> {
  /** The folder of all results. If it has some, made with the same options, the users who are left get theirs. */
  readonly out: string;
  /** For series: mean and standard deviation, as for `normalise` of a source; found in each user's recordings by default. */
  readonly normalisation?: ModelOptions['normalisation'];
  /** Also writes the firmware of each user, which starts with what was learned, for `target`. */
  readonly withFirmware?: boolean | undefined;
  /** Number of users at a time; one per core by default. Does not affect results. */
  readonly threads?: number | undefined;
  /** URL of a Redis server: workers (`workFor`) on any machines train; this process reads samples, compiles and writes. Does not affect results. */
  readonly workers?: string | undefined;
  /** Stops it; it then rejects with the code `ABORTED`, and goes on where it was when it is called again. */
  readonly signal?: AbortSignal | undefined;
}

/** Events of personalising. */
export type PersonaliseEvent =
  | { readonly type: 'begin'; readonly users: number }
  /** With `workers`: those that are there, at the beginning and whenever that changes. */
  | { readonly type: 'workers'; readonly place: string; readonly workers: Workers }
  /** A user has a result, from now or before. */
  | { readonly type: 'user'; readonly person: Person; readonly isNew: boolean; readonly done: number }
  | { readonly type: 'failed'; readonly person: PersonFailed; readonly done: number }
  | { readonly type: 'done'; readonly summary: Summary };

const personaliseOptions = optionTable<PersonaliseOptions>({
  ...compileOptions,
  ...sampleOptions,
  ...planOptions,
  normalisation: all.normalisation,
  out: all.usersOut,
  withFirmware: all.withFirmware,
  workers: all.workersOfUsers,
});

/** What all results in a folder are made with. */
interface Made {
  readonly model: string;
  readonly users: string;
  readonly options: Readonly<Record<string, unknown>>;
}

const madeKind: RecordKind<Made> = {
  name: 'record of personalised models',
  format: 1,
  code: 'PERSONALISE_BROKEN',
  schema: v.object({ model: v.string(), users: v.string(), options: v.record(v.string(), v.unknown()) }),
  otherVersion: (place, made) =>
    new TinytrainError('PERSONALISE_DIFFERS', `${place}: begun with another version of tinytrain, ${made}`, {
      path: place,
      help: [`go on with that version: npx tinytrain@${made} personalise`, 'or choose another --out'],
    }),
};

/** Names of the users: the folders in a folder. */
async function usersIn(folder: string): Promise<string[]> {
  const entries = await fs.readdir(folder, { withFileTypes: true }).catch(error => {
    throw fileError(error, folder, 'cannot be read');
  });
  const found = entries.filter(entry => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
  if (found.length > 0) return found.sort();
  throw new TinytrainError('USERS_NONE', `${folder}: there are no folders of users here`, {
    path: folder,
    help: ['each user has a folder, with a folder of samples for each class in it'],
  });
}

/** Writes what all results are made with, or checks that those that are there are made with the same. */
async function begin(own: OwnFolder, out: string, made: Made): Promise<void> {
  const earlier = (await readRecord(join(out, files.record), madeKind))?.content;
  if (!earlier) {
    await checkNames(out, [files.summary], 'what this command writes');
    return own.write(new Map([[files.record, recordText(madeKind, made)]]));
  }
  const facts = ({ options, ...rest }: Made): Record<string, unknown> => ({ ...rest, ...options });
  const [a, b] = [facts(earlier), facts(JSON.parse(JSON.stringify(made)) as Made)];
  const differing = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(
    name => JSON.stringify(a[name]) !== JSON.stringify(b[name]),
  );
  if (differing.length === 0) return;
  throw new TinytrainError(
    'PERSONALISE_DIFFERS',
    `${out}: cannot go on here: ${differing.join(', ')} differ from before`,
    { path: out, differing, help: ['choose another --out'] },
  );
}

/** The result of a user that is there already. */
async function earlierOf(out: string, withFirmware: boolean): Promise<RunResult | undefined> {
  const run = await openRun(out).catch(error => {
    if (error instanceof TinytrainError && error.code === 'RUN_MISSING') return undefined;
    throw error;
  });
  const result = await run?.result();
  // The firmware is written last, its manifest at its end.
  const isWhole = !withFirmware || (await fs.stat(join(out, FIRMWARE, 'manifest.json')).catch(() => undefined));
  return isWhole ? result : undefined;
}

interface Work {
  readonly model: Model;
  readonly users: string;
  readonly options: PersonaliseOptions;
  readonly crew: Crew | undefined;
  /** Reading and compiling, which take this process's time, for a few users at a time. */
  readonly slots: Slots;
  readonly signal: AbortSignal;
}

/** Lets some do something at a time. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(free: number) {
    this.#free = free;
  }

  async in<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>(resolve => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

/** A user's samples and Program, as `train --data` has them. */
async function prepared({ model, users, options, signal }: Work, name: string): Promise<[Program, SampleSet]> {
  const how = { threads: 1, signal };
  const source = await sampleFolder(
    join(users, name),
    only(options, ['resize', 'camera', 'crop', 'window', 'hop', 'front', 'skipBad', 'shares', 'seed']),
  );
  const fed = source.normalise
    ? model.withSeries(await source.normalise(model.input, model.input, options.normalisation, how))
    : model;
  const data = await source.read(fed.input, how);
  const compiled = [
    'scheme',
    'residualBits',
    'seed',
    'head',
    'map',
    'budget',
    'flash',
    'target',
    'feed',
    'store',
    'replay',
  ] as const;
  return [await compile(fed, data, { ...only(options, compiled), ...how }), data];
}

function only<T extends object, K extends keyof T>(from: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.map(name => [name, from[name]])) as Pick<T, K>;
}

async function runAt(path: string): Promise<RunFolder> {
  try {
    return await openRun(path);
  } catch (error) {
    if (!(error instanceof TinytrainError) || error.code !== 'RUN_MISSING') throw error;
    return createRun(path);
  }
}

/** One user's run, and firmware: those that `train --data` and `compile --run` make. */
async function personOf(work: Work, name: string, out: string): Promise<RunResult> {
  const { options, crew, signal, slots } = work;
  const { withFirmware = false } = options;
  const [program, data] = await slots.in(() => prepared(work, name));
  const run = await runAt(out);
  const plan = only(options, ['steps', 'epochs', 'lr', 'lrHead', 'balance', 'keep', 'augment', 'replaySteps']);
  const how = { ...plan, run, signal };
  const { state, ...result } = await (crew
    ? trainElsewhere(crew, program, data, how)
    : train(program, data, { ...how, threads: 1 }));
  if (withFirmware) {
    const board = program.limits.target ?? defaultTarget;
    await writeFirmware(join(out, FIRMWARE), await firmwareFiles(program.withState(state), data, board));
  }
  return result;
}

/** What is wrong with this user alone; undefined if it would be wrong with all of them. */
function failedOf(user: string, error: unknown): PersonFailed | undefined {
  if (!(error instanceof TinytrainError) || !OF_ONE.test(error.code)) return undefined;
  return { user, code: error.code, message: error.message };
}

/**
 * Trains one model for many users, each with the samples in a folder of their own: in `out`, each gets the run that `train` makes of the same options, bit for bit, and
 * if asked for the firmware that starts with it. Yields events on the way; the last one is `done`. Memory does not grow with the number of
 * users. What is wrong with one user's samples is reported with that user, and the others go on. Throws `USERS_NONE`, `FOLDER_BUSY`, `PERSONALISE_DIFFERS`,
 * `PERSONALISE_BROKEN`, `ABORTED`, the errors of `compile`, and with workers those of `search` with workers.
 */
export async function* personalise(
  model: Model,
  users: string,
  options: PersonaliseOptions,
): AsyncGenerator<PersonaliseEvent, void, void> {
  checkOptions(personaliseOptions, options);
  const { out, threads = availableParallelism(), workers, signal, withFirmware = false, ...rest } = options;
  const names = await usersIn(users);
  const made = { model: model.hash, users: resolve(users), options: { ...rest, withFirmware } };
  await checkWritable(out);
  // Nobody else works for these users meanwhile.
  const own = await OwnFolder.open(out);
  const stopping = new AbortController();
  const stop = () => stopping.abort(signal?.reason);
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  const events = new Channel<PersonaliseEvent>();
  let crew: Crew | undefined;
  const work = async (): Promise<void> => {
    await begin(own, out, made);
    if (workers !== undefined) {
      const place = placeOf(workers);
      crew = await Crew.join(
        workers,
        found => events.push({ type: 'workers', place, workers: found }),
        stopping.signal,
      );
    }
    events.push({ type: 'begin', users: names.length });
    const all: Work = { model, users, options, crew, slots: new Slots(threads), signal: stopping.signal };
    const people: Person[] = [];
    const failed: PersonFailed[] = [];
    const one = async (name: string): Promise<void> => {
      const place = join(out, name);
      try {
        const earlier = await earlierOf(place, withFirmware);
        const person = { user: name, ...summaryOf(earlier ?? (await personOf(all, name, place))) };
        people.push(person);
        events.push({ type: 'user', person, isNew: !earlier, done: people.length + failed.length });
      } catch (error) {
        if (stopping.signal.aborted) throw aborted('personalising', signal);
        const person = failedOf(name, error);
        if (!person) throw error;
        failed.push(person);
        events.push({ type: 'failed', person, done: people.length + failed.length });
      }
    };
    // As many as there are threads, here or at the workers: their number may change at any time.
    const most = () => (crew ? Math.max(threads, AHEAD * crew.workers.threads) : threads);
    const open = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    for (const name of names) {
      while (open.size >= most()) await Promise.race(open);
      if (stopping.signal.aborted) break;
      const ended: Promise<void> = one(name)
        .catch(error => {
          // The others stop too, and nothing is running when this ends.
          failure ??= { error };
          stopping.abort();
        })
        .finally(() => open.delete(ended));
      open.add(ended);
    }
    await Promise.all(open);
    if (failure) throw failure.error;
    if (stopping.signal.aborted) throw aborted('personalising', signal);
    const summary = summaryText(people, failed);
    await own.write(new Map([[files.summary, summary.text]]));
    events.push({ type: 'done', summary: summary.content });
  };
  const ended = work().then(
    () => events.end(),
    error => events.end(error),
  );
  try {
    yield* events;
  } finally {
    stop();
    signal?.removeEventListener('abort', stop);
    await ended;
    await crew?.close();
    await own.close();
  }
}
