import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import type { DataOrigin } from '../data/dataset.js';
import { fileError, TinytrainError } from '../errors.js';
import { checkWritable, makeFolder, readIfThere } from '../files.js';
import type { SearchPlan, TrialKey, TrialRecord } from './types.js';

const FILE = 'journal.jsonl';

/** What a search is: one with another identity is another search. */
export type Identity = Readonly<Record<string, unknown>>;

interface Head {
  readonly identity: Identity;
  readonly origin: Origin;
}

interface Stored {
  readonly trial: TrialRecord;
  /** Time it took; in the journal alone, so that results do not hang on it. */
  readonly seconds: number;
}

/** What is needed to begin the search again. */
export interface Origin {
  readonly model: { readonly path: string; readonly input: { readonly height: number; readonly width: number } };
  readonly normalisation: { readonly mean: readonly number[]; readonly std: readonly number[] };
  readonly data: DataOrigin | null;
  readonly options: SearchPlan;
}

/** One text for one training run. */
export function trialKey({ scheme, residualBits, seed, visits, on }: TrialKey): string {
  return `${on} ${scheme} bits ${residualBits} seed ${seed} visits ${visits}`;
}

/** The lines that are whole: a process may have died in the middle of the last one. */
function parse(text: string, path: string): { head: Head; stored: Stored[]; bytes: number } | undefined {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const [head, ...rest] = whole.split('\n').filter(line => line !== '');
  if (head === undefined) return undefined;
  try {
    const stored = rest.map(line => JSON.parse(line) as Stored);
    return { head: JSON.parse(head) as Head, stored, bytes: Buffer.byteLength(whole) };
  } catch (error) {
    throw new TinytrainError('SEARCH_BROKEN', `${path}: not a journal of a search`, { path }, error);
  }
}

function differing(a: Identity, b: Identity): string[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.filter(name => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
}

function missing(folder: string): TinytrainError {
  return new TinytrainError('SEARCH_MISSING', `${folder}: there is no search here to continue`, {
    path: folder,
    help: [`the folder of a search holds ${FILE}; \`npx tinytrain search --out DIR\` makes one`],
  });
}

/** How the search in a folder was begun. */
export async function searchOrigin(folder: string): Promise<Origin> {
  const path = join(folder, FILE);
  const found = parse((await readIfThere(path)) ?? '', path);
  if (!found) throw missing(folder);
  return found.head.origin;
}

/** Every training run that was finished, in a file that survives the process; without a folder in memory alone. */
export class Journal {
  readonly #known = new Map<string, TrialRecord>();
  #unwritten: { readonly folder: string; readonly head: Head; readonly bytes: number | undefined } | undefined;
  #file: fs.FileHandle | undefined;
  #last: Promise<void> = Promise.resolve();
  /** Seconds of training behind what is known. */
  seconds = 0;

  /** A journal in memory. */
  static inMemory(): Journal {
    return new Journal();
  }

  /**
   * The journal in a folder: a new one, or, with `resume`, the one that is there, which must be of the same search. Nothing is written before `begin`.
   */
  static async open(folder: string, head: Head, resume: boolean): Promise<Journal> {
    const path = join(folder, FILE);
    const journal = new Journal();
    const text = await readIfThere(path);
    if (text !== undefined && !resume) {
      throw new TinytrainError('SEARCH_EXISTS', `${folder}: there is a search here already`, {
        path: folder,
        help: [`continue it with --resume, or choose another --out`],
      });
    }
    if (text === undefined && resume) throw missing(folder);
    const found = text === undefined ? undefined : parse(text, path);
    if (found) journal.#take(found.stored, differing(found.head.identity, head.identity), folder);
    await checkWritable(folder);
    journal.#unwritten = { folder, head, bytes: found?.bytes };
    return journal;
  }

  /** Makes the folder and the file, or takes off what a process that died left of a line. */
  async begin(): Promise<void> {
    if (!this.#unwritten) return;
    const { folder, head, bytes } = this.#unwritten;
    const path = join(folder, FILE);
    try {
      await makeFolder(folder);
      this.#file = await fs.open(path, 'a');
      await this.#file.truncate(bytes ?? 0);
      if (bytes === undefined) await this.#append(head);
    } catch (error) {
      throw fileError(error, path, 'the search cannot be kept here');
    }
    this.#unwritten = undefined;
  }

  #take(stored: readonly Stored[], differences: readonly string[], folder: string): void {
    if (differences.length > 0) {
      throw new TinytrainError(
        'SEARCH_DIFFERS',
        `${folder}: the search cannot be continued: not the same ${differences.join(', ')} as before`,
        { path: folder, differing: differences, help: ['start anew with another --out'] },
      );
    }
    for (const { trial, seconds } of stored) {
      this.#known.set(trialKey(trial), trial);
      this.seconds += seconds;
    }
  }

  async #append(line: unknown): Promise<void> {
    const file = this.#file;
    if (!file) return;
    // One after the other, each safe on the disk before the next.
    this.#last = this.#last.then(async () => {
      await file.appendFile(`${JSON.stringify(line)}\n`);
      await file.datasync();
    });
    await this.#last;
  }

  /** What a run found, if it was made. */
  get(key: TrialKey): TrialRecord | undefined {
    return this.#known.get(trialKey(key));
  }

  /** Runs that are known. */
  get size(): number {
    return this.#known.size;
  }

  /** Keeps what a run found. */
  async add(trial: TrialRecord, seconds: number): Promise<void> {
    this.#known.set(trialKey(trial), trial);
    this.seconds += seconds;
    await this.#append({ trial, seconds });
  }

  /** Lets go of the file. */
  async close(): Promise<void> {
    await this.#last.catch(() => {});
    await this.#file?.close();
    this.#file = undefined;
  }
}
