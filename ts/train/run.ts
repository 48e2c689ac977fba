import { join, resolve } from 'node:path';
import * as v from 'valibot';
import type { SampleSet } from '../data/dataset.js';
import type { ReadOptions } from '../data/source.js';
import { TinytrainError } from '../errors.js';
import { checkWritable, readIfThere } from '../files.js';
import { checkFree, checkNames, OwnFolder, settle } from '../folder.js';
import type { Checkpoint } from '../native.js';
import {
  type Origin,
  originOf,
  originSchema,
  type ProgramOrigin,
  programOrigin,
  programOriginOf,
  reopenProgram,
  reopenSamples,
} from '../origin.js';
import { programFile } from '../program/file.js';
import type { Program } from '../program/program.js';
import type { TrainedState } from '../program/state.js';
import { type RecordKind, readRecord, recordText, type Stored } from '../records.js';
import { version } from '../version.js';
import { RunKeeper } from './keeper.js';
import {
  planSchema,
  type RunResult,
  type RunState,
  resultSchema,
  type StoredCheckpoint,
  type StoredProgress,
  type StoredState,
  stateSchema,
  type TrainPlan,
} from './types.js';

/** The record of a run: everything needed to repeat it. */
export interface RunRecord {
  readonly origin: Origin;
  readonly program: ProgramOrigin;
  readonly plan: TrainPlan;
}

const FORMAT = 6;
const BROKEN = 'RUN_BROKEN';
const files = { record: 'run.json', state: 'state.json', result: 'result.json' };

const recordKind: RecordKind<RunRecord> = {
  name: 'record of a training run',
  format: FORMAT,
  code: BROKEN,
  schema: v.object({ origin: originSchema, program: programOrigin, plan: planSchema }),
};
const stateKind: RecordKind<StoredState> = {
  name: 'state of a training run',
  format: FORMAT,
  code: BROKEN,
  schema: stateSchema,
};
const resultKind: RecordKind<RunResult> = {
  name: 'result of a training run',
  format: FORMAT,
  code: BROKEN,
  schema: resultSchema,
};

function closed({ state, steps, saturated }: Checkpoint): StoredCheckpoint {
  return { state: Buffer.from(state).toString('base64'), steps, saturated: Array.from(saturated) };
}

function opened({ state, steps, saturated }: StoredCheckpoint): Checkpoint {
  return { state: Buffer.from(state, 'base64'), steps, saturated: Float64Array.from(saturated) };
}

/** The progress of a run as JSON has it. */
export function closedProgress({ checkpoint, best, lowest, ...rest }: RunState): StoredProgress {
  return {
    checkpoint: closed(checkpoint),
    best: best && { loss: best.loss, checkpoint: closed(best.checkpoint) },
    lowest: lowest && { loss: lowest.loss, checkpoint: closed(lowest.checkpoint) },
    ...rest,
  };
}

/** The progress of a run from JSON. */
export function openedProgress({ checkpoint, best, lowest, ...rest }: StoredProgress): RunState {
  return {
    ...rest,
    checkpoint: opened(checkpoint),
    best: best && { loss: best.loss, checkpoint: opened(best.checkpoint) },
    lowest: lowest && { loss: lowest.loss, checkpoint: opened(lowest.checkpoint) },
  };
}

/** The properties in which two runs differ. */
function differences(a: RunRecord, b: RunRecord): string[] {
  const facts: [string, (r: RunRecord) => unknown][] = [
    ['model', r => r.origin.model.hash],
    ['input', r => r.origin.input],
    ['samples', r => [r.origin.data.hash, r.origin.data.classes]],
    ['program', r => r.program.hash],
    [
      'plan',
      ({ plan }) => [
        plan.steps,
        plan.lr,
        plan.lrHead,
        plan.seed,
        plan.balance,
        plan.replaySteps,
        plan.keep,
        plan.augment.flip,
        plan.augment.shift,
        plan.augment.noise,
        plan.augment.crop,
        plan.augment.jitter,
      ],
    ],
  ];
  return facts.filter(([, of]) => JSON.stringify(of(a)) !== JSON.stringify(of(b))).map(([name]) => name);
}

/**
 * The folder of a training run: its record (`run.json`), its Program (`program.ttp`), its progress (`state.json`) and its result (`result.json`). Neither
 * the model nor a compiler is needed to continue it or to predict.
 */
export class RunFolder extends RunKeeper {
  readonly path: string;
  #own: OwnFolder | undefined;

  /** @internal */
  constructor(path: string) {
    super();
    this.path = resolve(path);
  }

  #file(name: string): string {
    return join(this.path, name);
  }

  async #write(files: readonly (readonly [name: string, content: string | Uint8Array])[]): Promise<void> {
    if (!this.#own) throw new TinytrainError('INTERNAL', `internal: the run in ${this.path} has not begun`);
    await this.#own.write(new Map(files));
  }

  async #stored(): Promise<Stored<RunRecord>> {
    await settle(this.path);
    const stored = await readRecord(this.#file(files.record), recordKind);
    if (stored) return stored;
    throw new TinytrainError('RUN_MISSING', `${this.path}: there is no training run here`, {
      path: this.path,
      help: [`a run folder contains ${files.record}; \`npx tinytrain train --out DIR\` creates one`],
    });
  }

  /** The record of the run. Throws `RUN_MISSING`, `RUN_BROKEN`. */
  async record(): Promise<RunRecord> {
    return (await this.#stored()).content;
  }

  /** The result of the run, if it has ended. Throws `RUN_BROKEN`. */
  async result(): Promise<RunResult | undefined> {
    return (await readRecord(this.#file(files.result), resultKind))?.content;
  }

  /** The Program of the run. Throws `PROGRAM_BROKEN`, `PROGRAM_VERSION`, `PROGRAM_DIFFERS`. */
  async program(): Promise<Program> {
    const { origin, program } = await this.record();
    return reopenProgram(this.path, origin, program);
  }

  /**
   * What the run has learned so far: `(await run.program()).withState(await run.state())` starts with it. Throws `RUN_UNTRAINED` before its first
   * checkpoint.
   */
  async state(): Promise<TrainedState> {
    const found = await this.load();
    if (!found) {
      throw new TinytrainError('RUN_UNTRAINED', `${this.path}: the run has no trained state yet`, {
        path: this.path,
        help: [`continue it: npx tinytrain train --resume ${this.path}`],
      });
    }
    return { family: (await this.program()).family, bytes: Uint8Array.from(found.checkpoint.state) };
  }

  /** The samples of the run, read again from their source, or from the cache if the source is gone. */
  async samples(options: ReadOptions = {}): Promise<SampleSet> {
    const { origin } = await this.record();
    return reopenSamples(origin, this.path, options);
  }

  /**
   * @internal Locks the folder, and writes the record of the run or, if there is one, checks that it is the same. To be followed by `end`. Throws
   * `FOLDER_BUSY`, `RUN_DIFFERS`, `RUN_VERSION`, `FILE_ERROR`.
   */
  override async begin(program: Program, data: SampleSet, plan: TrainPlan): Promise<void> {
    this.#own = await OwnFolder.open(this.path);
    const record: RunRecord = { origin: originOf(program, data), program: programOriginOf(program), plan };
    const earlier = await readRecord(this.#file(files.record), recordKind);
    if (earlier) return this.#checkSame(earlier, record);
    await checkNewRun(this.path);
    await this.#write([
      [programFile, program.toBytes()],
      [files.record, recordText(recordKind, record)],
    ]);
  }

  /** @internal Lets other processes change the folder. */
  override async end(): Promise<void> {
    await this.#own?.close();
    this.#own = undefined;
  }

  #checkSame(earlier: Stored<RunRecord>, record: RunRecord): void {
    const differing = differences(earlier.content, record);
    if (differing.length > 0) {
      throw new TinytrainError(
        'RUN_DIFFERS',
        `${this.path}: the run cannot be continued: ${differing.join(', ')} differ from before`,
        { path: this.path, differing, help: ['start a new run with another --out'] },
      );
    }
    if (earlier.tinytrain !== version) {
      throw new TinytrainError(
        'RUN_VERSION',
        `${this.path}: started with another version of tinytrain, ${earlier.tinytrain}; this is ${version}`,
        {
          path: this.path,
          made: earlier.tinytrain,
          version,
          help: [`continue with that version: npx tinytrain@${earlier.tinytrain} train --resume ${this.path}`],
        },
      );
    }
  }

  /** @internal The progress of the run; undefined before its first checkpoint. Throws `RUN_BROKEN`. */
  override async load(): Promise<RunState | undefined> {
    const path = this.#file(files.state);
    const found = await readRecord(path, stateKind);
    if (!found) return undefined;
    const { run, ...progress } = found.content;
    if (run !== (await this.#stored()).sha256) {
      throw new TinytrainError(BROKEN, `${path}: not the state of the run in ${files.record}`, {
        path,
      });
    }
    return openedProgress(progress);
  }

  /** @internal */
  override async save(state: RunState): Promise<void> {
    const { sha256 } = await this.#stored();
    const stored: StoredState = { run: sha256, ...closedProgress(state) };
    await this.#write([[files.state, recordText(stateKind, stored)]]);
  }

  /** @internal */
  override async finish(result: RunResult): Promise<void> {
    await this.#write([[files.result, recordText(resultKind, result)]]);
  }
}

/** Throws unless a folder has nothing where a run writes. */
function checkNewRun(path: string): Promise<void> {
  return checkNames(path, [programFile, files.state, files.result], 'a training run');
}

/**
 * Creates the folder of a new run. Throws `RUN_EXISTS` if there is already a run, `FOLDER_BUSY` if another process is at work in the folder,
 * `FOLDER_NOT_EMPTY` if it has other files under the names of a run's, `FILE_ERROR` if it cannot be created.
 */
export async function createRun(path: string): Promise<RunFolder> {
  const run = new RunFolder(path);
  await checkWritable(run.path);
  await checkFree(run.path);
  await settle(run.path);
  if ((await readIfThere(join(run.path, files.record))) === undefined) {
    await checkNewRun(run.path);
    return run;
  }
  throw new TinytrainError('RUN_EXISTS', `${path}: there is already a training run here`, {
    path,
    help: [`continue it with --resume ${path}, or choose another --out`],
  });
}

/** Opens the folder of an earlier run, to continue it or to use its trained state. Throws `RUN_MISSING`, `RUN_BROKEN`. */
export async function openRun(path: string): Promise<RunFolder> {
  const run = new RunFolder(path);
  await run.record();
  return run;
}
