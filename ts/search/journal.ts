import { join } from 'node:path';
import * as v from 'valibot';
import { allResidualBits, feeds } from '../defaults.js';
import { DiskFile } from '../disk.js';
import { fileError, TinytrainError } from '../errors.js';
import { checkWritable, readIfThere } from '../files.js';
import { checkFree, checkNames, type Files, OwnFolder, settle } from '../folder.js';
import { count, sha256 } from '../json.js';
import { type Origin, originSchema } from '../origin.js';
import { costTableSchema } from '../program/costs.js';
import { makerSchema } from '../queue/jobs.js';
import { opened, type RecordKind, sealed } from '../records.js';
import { CrewRecord } from './crew.js';
import { searchFiles } from './folder.js';
import type { Maker } from './trial.js';
import type { SearchPlan, TrialKey, TrialRecord } from './types.js';

/** Name of the file. */
export const journalFile = 'journal.jsonl';
const FORMAT = 3;

/** The identity of a search. */
export type Identity = Readonly<Record<string, unknown>>;

/** The first line of a journal: the identity of the search, and everything needed to start it again. */
interface Head {
  readonly identity: Identity;
  readonly origin: Origin;
  readonly plan: SearchPlan;
}

/** Every other line: one training run. */
interface Entry {
  readonly trial: TrialRecord;
  /** Its duration; only in the journal, so that no result depends on it. */
  readonly seconds: number;
  /** The worker that has made it, likewise. */
  readonly by?: Maker | undefined;
}

const real = v.pipe(v.number(), v.finite());
const positive = v.pipe(real, v.gtValue(0));
const bits = v.picklist(allResidualBits);

/** Schema of a plan that was read from a file. */
export const planSchema: v.GenericSchema<unknown, SearchPlan> = v.object({
  budgets: v.pipe(v.array(count), v.minLength(1)),
  flash: v.nullable(count),
  maxInstructions: v.nullable(positive),
  maxMilliseconds: v.nullable(positive),
  costs: v.nullable(costTableSchema),
  target: v.string(),
  feed: v.picklist(feeds),
  residualBits: v.union([bits, v.literal('any')]),
  criterion: v.picklist(['loss', 'accuracy']),
  seed: count,
  seeds: count,
  trialSteps: count,
  proofSteps: count,
  heldBack: positive,
  lr: v.union([positive, v.literal('auto')]),
});

const headKind: RecordKind<Head> = {
  name: 'journal of a search',
  format: FORMAT,
  code: 'SEARCH_BROKEN',
  schema: v.object({ identity: v.record(v.string(), v.unknown()), origin: originSchema, plan: planSchema }),
};

/** Schema of a training run that was read from a file. */
export const trialSchema: v.GenericSchema<unknown, TrialRecord> = v.object({
  scheme: v.string(),
  residualBits: bits,
  seed: count,
  steps: count,
  on: v.picklist(['validation', 'test']),
  accuracy: v.pipe(real, v.minValue(0), v.maxValue(1)),
  loss: real,
  checksum: sha256,
});

const entryKind: RecordKind<Entry> = {
  name: 'line of a journal',
  format: FORMAT,
  code: 'SEARCH_BROKEN',
  schema: v.object({
    trial: trialSchema,
    seconds: v.pipe(real, v.minValue(0)),
    by: v.optional(makerSchema),
  }),
};

/** The text that identifies a training run. */
export function trialKey({ scheme, residualBits, seed, steps, on }: TrialKey): string {
  return `${on} ${scheme} bits ${residualBits} seed ${seed} steps ${steps}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The complete lines: a process may have died in the middle of the last one. Throws `SEARCH_BROKEN`. */
function read(text: string, path: string): { head: Head; entries: Entry[]; bytes: number } {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const cut = text.slice(whole.length);
  const lines = whole.split('\n').slice(0, -1);
  // A line that was cut short is dropped; one that is whole but for its end was changed.
  if (cut !== '' && isJson(cut.slice(0, -1))) lines.push(cut);
  const [first = '', ...rest] = lines;
  return {
    head: opened(first, `${path}:1`, headKind).content,
    entries: rest.map((line, i) => opened(line, `${path}:${i + 2}`, entryKind).content),
    bytes: Buffer.byteLength(whole),
  };
}

function differing(a: Identity, b: Identity): string[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.filter(name => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
}

function missing(folder: string): TinytrainError {
  return new TinytrainError('SEARCH_MISSING', `${folder}: there is no search here to continue`, {
    path: folder,
    help: [`the folder of a search contains ${journalFile}; \`npx tinytrain search --out DIR\` creates one`],
  });
}

function existing(folder: string): TinytrainError {
  return new TinytrainError('SEARCH_EXISTS', `${folder}: there is already a search here`, {
    path: folder,
    help: ['continue it with --resume, or choose another --out'],
  });
}

function lineOf(record: unknown): string {
  return `${JSON.stringify(record)}\n`;
}

/** How the search in a folder was started: everything needed to start it again. Throws `SEARCH_MISSING`, `SEARCH_BROKEN`. */
export async function searchOrigin(folder: string): Promise<{ readonly origin: Origin; readonly plan: SearchPlan }> {
  const path = join(folder, journalFile);
  const text = await readIfThere(path);
  if (text === undefined) throw missing(folder);
  const { origin, plan } = read(text, path).head;
  return { origin, plan };
}

/** All finished training runs, in a file that survives the process, or only in memory if there is no folder. */
export class Journal {
  readonly #known = new Map<string, TrialRecord>();
  #unwritten:
    | { readonly folder: string; readonly head: Head; readonly bytes: number | undefined; readonly files: Files }
    | undefined;
  #file: DiskFile | undefined;
  #own: OwnFolder | undefined;
  #path = journalFile;
  #last: Promise<void> = Promise.resolve();
  /** Seconds of training that the known results took. */
  seconds = 0;
  /** The workers that have made them. */
  readonly crew = new CrewRecord();

  /** A journal in memory. */
  static inMemory(): Journal {
    return new Journal();
  }

  /**
   * The journal in a folder: a new one or, with `resume`, the existing one, which must belong to the same search. Nothing is written before `begin`, which
   * also writes `files` with a new one.
   */
  static async open(folder: string, head: Head, resume: boolean, files: Files = new Map()): Promise<Journal> {
    const path = join(folder, journalFile);
    const journal = new Journal();
    await checkFree(folder);
    await settle(folder);
    if (resume && (await readIfThere(path)) !== undefined) journal.#own = await OwnFolder.open(folder);
    try {
      await journal.#open(folder, path, head, resume, files);
    } catch (error) {
      await journal.close();
      throw error;
    }
    return journal;
  }

  async #open(folder: string, path: string, head: Head, resume: boolean, files: Files): Promise<void> {
    const text = await readIfThere(path);
    if (text !== undefined && !resume) throw existing(folder);
    if (text === undefined && resume) throw missing(folder);
    const found = text === undefined ? undefined : read(text, path);
    if (found) this.#take(found.entries, differing(found.head.identity, head.identity), folder);
    else await checkNames(folder, [...searchFiles(head.plan.budgets), ...files.keys()], 'a search');
    await checkWritable(folder);
    this.#unwritten = { folder, head, bytes: found?.bytes, files };
  }

  /** The folder of the search, once it has begun; undefined for a journal in memory. */
  get folder(): OwnFolder | undefined {
    return this.#own;
  }

  /** Creates the folder and the file, or removes an incomplete line left by a process that died. Throws `FOLDER_BUSY`, `SEARCH_EXISTS`, `FILE_ERROR`. */
  async begin(): Promise<void> {
    if (!this.#unwritten) return;
    const { folder, head, bytes, files } = this.#unwritten;
    this.#path = join(folder, journalFile);
    this.#own ??= await OwnFolder.open(folder);
    if (bytes === undefined) {
      if ((await readIfThere(this.#path)) !== undefined) throw existing(folder);
      await this.#own.write(new Map([...files, [journalFile, lineOf(sealed(headKind, head))]]));
    }
    try {
      this.#file = await DiskFile.open(this.#path, 'a');
      if (bytes !== undefined) await this.#file.truncate(bytes);
    } catch (error) {
      throw fileError(error, this.#path, 'the search cannot be stored here');
    }
    this.#unwritten = undefined;
  }

  #take(entries: readonly Entry[], differences: readonly string[], folder: string): void {
    if (differences.length > 0) {
      throw new TinytrainError(
        'SEARCH_DIFFERS',
        `${folder}: the search cannot be continued: ${differences.join(', ')} differ from before`,
        { path: folder, differing: differences, help: ['start a new search with another --out'] },
      );
    }
    for (const entry of entries) this.#know(entry);
  }

  async #append(line: unknown): Promise<void> {
    const file = this.#file;
    if (!file) return;
    // One after the other, each stored on disk before the next; after a failure none.
    this.#last = this.#last.then(async () => {
      try {
        await file.write(Buffer.from(lineOf(line)));
        await file.sync();
      } catch (error) {
        throw fileError(error, this.#path, 'cannot be written');
      }
    });
    await this.#last;
  }

  /** The result of a run, if it is known. */
  get(key: TrialKey): TrialRecord | undefined {
    return this.#known.get(trialKey(key));
  }

  /** Number of known runs. */
  get size(): number {
    return this.#known.size;
  }

  #know({ trial, seconds, by }: Entry): void {
    this.#known.set(trialKey(trial), trial);
    this.seconds += seconds;
    this.crew.add(seconds, by);
  }

  /** Stores the result of a run. */
  async add(trial: TrialRecord, seconds: number, by?: Maker): Promise<void> {
    const entry = { trial, seconds, ...(by && { by }) };
    this.#know(entry);
    await this.#append(sealed(entryKind, entry));
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#last.catch(() => {});
    await this.#file?.close();
    this.#file = undefined;
    await this.#own?.close();
    this.#own = undefined;
  }
}
