import type { Dataset } from '../data/dataset.js';
import { type Control, call, native, type ProgramHandle, recordOf, wait } from '../native.js';
import { checkPrice } from '../program/file.js';
import { defaultTarget, type MemoryTable } from '../program/memory.js';
import type { BlobFiles } from '../queue/blobs.js';
import type { TrialFound, TrialJob } from '../queue/jobs.js';
import { Kept } from '../queue/kept.js';
import { SetReceiver } from '../queue/sets.js';
import { keepLevel, type LevelCache, runTrial } from '../search/trial.js';

type Level = NonNullable<TrialJob['level']>;
type SetNames = Pick<TrialJob, 'learned' | 'measured'>;

interface Sets {
  readonly learned: Dataset;
  readonly measured: Dataset;
}

/** How many Programs a worker keeps at hand. */
const PROGRAMS = 8;

/** Makes the training runs of searches. What it was sent last, and what it computed of it, it keeps for the next run. */
export class TrialWork {
  readonly #files: BlobFiles;
  readonly #sets: SetReceiver;
  readonly #threads: number;
  readonly #cacheBytes: number;
  readonly #programs = new Kept<ProgramHandle>();
  readonly #levels = new Kept<LevelCache>();

  constructor(files: BlobFiles, threads: number, cacheBytes: number) {
    this.#files = files;
    this.#sets = new SetReceiver(files);
    this.#threads = threads;
    this.#cacheBytes = cacheBytes;
  }

  /** A Program that was sent: nothing runs that the verifier has not accepted. */
  #program(name: string): Promise<ProgramHandle> {
    return this.#programs.get(name, 1 / PROGRAMS, async () => {
      const place = `blob ${name}`;
      const bytes = await this.#files.bytes(name);
      const handle = await wait(() => native().Program.load(bytes), place);
      // The whole record of a Program, which says the same, takes as long to write and to read as a short run.
      const { sram } = recordOf<MemoryTable>(call(() => handle.memory(defaultTarget, 0, false)));
      checkPrice(handle, sram.total, place);
      return handle;
    });
  }

  /** The activations that are kept of samples after some first steps; runs at the same depth share them. */
  #level({ depth, program, of }: Level, names: SetNames, sets: Sets, control: Control): Promise<LevelCache> {
    const { learned, measured } = names;
    return this.#levels.get(`${program} ${depth} ${of} ${learned} ${measured}`, 1 / of, async () => {
      const handle = await this.#program(program);
      return keepLevel(handle, depth, sets, this.#cacheBytes / of, this.#threads, control);
    });
  }

  /** Makes a run on one thread. Throws what makes its blobs unusable, `ABORTED` when the control stops it. */
  async do({ level, program, ...job }: TrialJob, control: Control): Promise<TrialFound> {
    const handle = await this.#program(program);
    const sets = { learned: await this.#sets.set(job.learned), measured: await this.#sets.set(job.measured) };
    const kept = level && this.#cacheBytes > 0 ? await this.#level(level, job, sets, control) : undefined;
    const learned = { set: sets.learned, cache: kept?.learned };
    const measured = { set: sets.measured, cache: kept?.measured };
    return runTrial(handle, learned, measured, job, control);
  }
}
