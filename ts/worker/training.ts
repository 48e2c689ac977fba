import { join } from 'node:path';
import type { SampleSet } from '../data/dataset.js';
import { TinytrainError } from '../errors.js';
import { inTemporaryFolder } from '../files.js';
import { endedText, factsSchema, type TrainingFacts } from '../fleet/elsewhere.js';
import { parsed } from '../json.js';
import { inputOf } from '../model/input.js';
import { native, wait } from '../native.js';
import { checkPrice } from '../program/file.js';
import { Program } from '../program/program.js';
import type { BlobFiles, Blobs } from '../queue/blobs.js';
import type { TrainingFound, TrainingJob } from '../queue/jobs.js';
import { SetReceiver } from '../queue/sets.js';
import { createRun } from '../train/run.js';
import { train } from '../train/train.js';

/** Makes whole training runs, as `train` makes them. */
export class TrainingWork {
  readonly #blobs: Blobs;
  readonly #files: BlobFiles;
  readonly #sets: SetReceiver;
  readonly #cacheBytes: number;

  constructor(blobs: Blobs, files: BlobFiles, cacheBytes: number) {
    this.#blobs = blobs;
    this.#files = files;
    this.#sets = new SetReceiver(files);
    this.#cacheBytes = cacheBytes;
  }

  async #program(name: string, { origin: { model, input, data } }: TrainingFacts): Promise<Program> {
    const place = `blob ${name}`;
    const bytes = await this.#files.bytes(name);
    const handle = await wait(() => native().Program.load(bytes), place);
    const program = new Program(handle, { model, input: inputOf(input, place), classes: data.classes, limits: {} });
    checkPrice(handle, program.record.arenaBytes + program.record.stateBytes, place);
    return program;
  }

  async #samples({ origin: { data }, sets, skipped, repeated }: TrainingFacts): Promise<SampleSet> {
    const validation = sets.validation === undefined ? {} : { validation: await this.#sets.once(sets.validation) };
    return {
      classes: data.classes,
      train: await this.#sets.once(sets.train),
      ...validation,
      test: await this.#sets.once(sets.test),
      skipped: skipped.map(path => ({ path, message: '' })),
      repeated: repeated ?? undefined,
      source: data.source,
      ...(data.origin && { origin: data.origin }),
      hash: data.hash,
    };
  }

  /** Makes a run on one thread. Throws what makes its blobs unusable, and what `train` throws. */
  async do(job: TrainingJob, signal: AbortSignal): Promise<TrainingFound> {
    const text = (await this.#files.bytes(job.facts)).toString();
    const errorOf = (why: string) =>
      new TinytrainError('BLOB_BROKEN', `blob ${job.facts} is no training run: ${why}`, { blob: job.facts });
    const facts = parsed(text, factsSchema, errorOf);
    const program = await this.#program(job.program, facts);
    const data = await this.#samples(facts);
    return inTemporaryFolder('worker', async folder => {
      const run = await createRun(join(folder, 'run'));
      const { state: _, ...result } = await train(program, data, {
        ...facts.plan,
        ...{ run, threads: 1, cacheBytes: this.#cacheBytes, checkpointSeconds: 1e9, signal },
      });
      const progress = await run.load();
      if (!progress) throw new TinytrainError('INTERNAL', 'internal: a run has ended without a state');
      return { found: await this.#blobs.putBytes(endedText({ progress, result })) };
    });
  }
}
