import { promises as fs } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { DataOrigin, SampleSet } from '../data/dataset.js';
import { defaultImages } from '../data/drawn/set.js';
import { loadImages } from '../data/images/folder.js';
import type { WorkOptions } from '../data/pool.js';
import { fileError, TinytrainError } from '../errors.js';
import { checkWritable, makeFolder, readIfThere, replaceFile } from '../files.js';
import { loadModel, type Model } from '../model/model.js';
import type { MemoryLimits } from '../program/memory.js';
import { compile, type Program } from '../program/program.js';
import { version } from '../version.js';
import type { RunState, TrainPlan, TrainResult } from './train.js';

/** What a run folder says about the run: enough to repeat it. */
export interface RunRecord {
  readonly format: 1;
  readonly tinytrain: string;
  readonly model: {
    /** The copy of the model in the run folder. */
    readonly file: string;
    readonly path: string;
    readonly hash: string;
    readonly input: { readonly height: number; readonly width: number };
  };
  readonly data: {
    readonly source: string;
    readonly classes: readonly string[];
    readonly hash: string;
    readonly origin?: DataOrigin | undefined;
  };
  readonly program: {
    readonly hash: string;
    readonly scheme: string;
    readonly residualBits: number;
    readonly seed: number;
    readonly limits: MemoryLimits;
  };
  readonly plan: TrainPlan;
}

/** A state as a file holds it. */
interface StoredState extends Omit<RunState, 'checkpoint'> {
  readonly checkpoint: { readonly state: string; readonly steps: number; readonly saturated: readonly number[] };
}

async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readIfThere(path);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as T);
  } catch (error) {
    throw new TinytrainError('RUN_BROKEN', `${path}: not a JSON file`, { path }, error);
  }
}

const files = { record: 'run.json', state: 'state.json', result: 'result.json' };

/** The facts in which two runs differ. */
function differences(a: RunRecord, b: RunRecord): string[] {
  const facts: [string, (r: RunRecord) => unknown][] = [
    ['model', r => r.model.hash],
    ['samples', r => r.data.hash],
    ['program', r => r.program.hash],
    ['plan', r => r.plan],
  ];
  return facts.filter(([, of]) => JSON.stringify(of(a)) !== JSON.stringify(of(b))).map(([name]) => name);
}

/** A folder that keeps a training run: what it is (`run.json`), where it stands (`state.json`), what it found (`result.json`), the model. */
export class RunFolder {
  readonly path: string;

  /** @internal */
  constructor(path: string) {
    this.path = resolve(path);
  }

  #file(name: string): string {
    return join(this.path, name);
  }

  /** What the run is. */
  async record(): Promise<RunRecord> {
    const record = await readJson<RunRecord>(this.#file(files.record));
    if (!record) {
      throw new TinytrainError('RUN_MISSING', `${this.path}: there is no training run here`, {
        path: this.path,
        help: [`a run folder holds ${files.record}; \`npx tinytrain train --out DIR\` makes one`],
      });
    }
    if (record.format !== 1) {
      throw new TinytrainError('RUN_BROKEN', `${this.path}: the run has format ${record.format}; this version reads 1`);
    }
    return record;
  }

  /** What the run found, if it has ended. */
  result(): Promise<TrainResult | undefined> {
    return readJson<TrainResult>(this.#file(files.result));
  }

  /** The model of the run, from its copy in the folder. */
  async model(): Promise<Model> {
    const { model } = await this.record();
    return loadModel(this.#file(model.file), { input: model.input });
  }

  /** The samples of the run, read again from where they came from. */
  async samples(
    model: Model,
    options: WorkOptions & { readonly threads?: number | undefined } = {},
  ): Promise<SampleSet> {
    const { data } = await this.record();
    if (!data.origin) {
      throw new TinytrainError('RUN_NO_DATA', `${this.path}: the run's samples (${data.source}) came from a program`);
    }
    if ('drawn' in data.origin) return defaultImages(model.input, { ...data.origin.drawn, ...options });
    return loadImages(data.origin.folder, model.input, { ...data.origin, ...options });
  }

  /** The Program of the run. */
  async program(model: Model, data: SampleSet, threads?: number): Promise<Program> {
    const { program } = await this.record();
    return compile(model, data, { ...program, ...program.limits, threads });
  }

  /** @internal Writes down what the run is, or, where that was done before, checks that it is the same. */
  async begin(program: Program, data: SampleSet, plan: TrainPlan): Promise<void> {
    const { model } = program;
    // The name of a Program is that of its model's file.
    const file = basename(model.path);
    const record: RunRecord = {
      format: 1,
      tinytrain: version,
      model: {
        file,
        path: resolve(model.path),
        hash: model.hash,
        input: { height: model.input.height, width: model.input.width },
      },
      data: { source: data.source, classes: data.classes, hash: data.hash, origin: data.origin },
      program: {
        hash: program.hash,
        scheme: program.scheme,
        residualBits: program.residualBits,
        seed: program.seed,
        limits: program.limits,
      },
      plan,
    };
    const earlier = await readJson<RunRecord>(this.#file(files.record));
    if (earlier) {
      const differing = differences(earlier, record);
      if (differing.length === 0) return;
      throw new TinytrainError(
        'RUN_DIFFERS',
        `${this.path}: the run cannot be continued: not the same ${differing.join(', ')} as before`,
        { path: this.path, differing, help: ['start anew with another --out'] },
      );
    }
    try {
      await makeFolder(this.path);
      await fs.writeFile(this.#file(file), await fs.readFile(model.path));
    } catch (error) {
      throw fileError(error, this.path, 'the run cannot be kept here');
    }
    await replaceFile(this.#file(files.record), `${JSON.stringify(record, null, 2)}\n`);
  }

  /** @internal */
  async load(): Promise<RunState | undefined> {
    const stored = await readJson<StoredState>(this.#file(files.state));
    if (!stored) return undefined;
    const { state, steps, saturated } = stored.checkpoint;
    return {
      ...stored,
      checkpoint: { state: Buffer.from(state, 'base64'), steps, saturated: Float64Array.from(saturated) },
    };
  }

  /** @internal */
  async save(state: RunState): Promise<void> {
    const { checkpoint } = state;
    const stored: StoredState = {
      ...state,
      checkpoint: {
        state: Buffer.from(checkpoint.state).toString('base64'),
        steps: checkpoint.steps,
        saturated: Array.from(checkpoint.saturated),
      },
    };
    await replaceFile(this.#file(files.state), JSON.stringify(stored));
  }

  /** @internal */
  async finish(result: TrainResult): Promise<void> {
    await replaceFile(this.#file(files.result), `${JSON.stringify(result, null, 2)}\n`);
  }
}

/** A folder for a new run. Refused where there is one already. */
export async function createRun(path: string): Promise<RunFolder> {
  const run = new RunFolder(path);
  await checkWritable(run.path);
  if (await readJson(join(run.path, files.record))) {
    throw new TinytrainError('RUN_EXISTS', `${path}: there is a training run here already`, {
      path,
      help: [`continue it with --resume ${path}, or choose another --out`],
    });
  }
  return run;
}

/** The folder of an earlier run, to continue it or to use what it learned. */
export async function openRun(path: string): Promise<RunFolder> {
  const run = new RunFolder(path);
  await run.record();
  return run;
}
