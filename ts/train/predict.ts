import { availableParallelism } from 'node:os';
import { Dataset } from '../data/dataset.js';
import { decodeImage, type SampleSource } from '../data/images/decode.js';
import { checkImageInput, inputLength, type ResizePolicy } from '../data/input.js';
import { eachParallel, type WorkOptions } from '../data/pool.js';
import { TinytrainError } from '../errors.js';
import type { Model } from '../model/model.js';
import { call, native, type Session, watched } from '../native.js';
import { Compiler } from '../program/program.js';
import type { RunFolder } from './run.js';

/** What a trained model says of a sample. */
export interface Prediction {
  /** The sample. */
  readonly name: string;
  /** The class with the largest score. */
  readonly class: string;
  /** Its index. */
  readonly label: number;
  /** Its score. */
  readonly score: number;
  /** The probability of each class, in order of the classes. */
  readonly scores: readonly number[];
}

/** Probabilities come in Q0.31. */
const SCORE_UNIT = 2 ** 31;

/** A model with what a run has learned. */
export class Predictor {
  readonly model: Model;
  readonly classes: readonly string[];
  /** What happens to samples of another size. */
  readonly resize: ResizePolicy;
  readonly #session: Session;

  private constructor(model: Model, classes: readonly string[], resize: ResizePolicy, session: Session) {
    this.model = model;
    this.classes = classes;
    this.resize = resize;
    this.#session = session;
  }

  /** Takes over what a run has learned so far. */
  static async open(run: RunFolder): Promise<Predictor> {
    const record = await run.record();
    const state = await run.load();
    if (!state) {
      throw new TinytrainError('RUN_UNTRAINED', `${run.path}: the run has no trained state yet`, {
        path: run.path,
        help: [`go on with it: npx tinytrain train --resume ${run.path}`],
      });
    }
    const model = await run.model();
    // The forward pass hangs on no exponent of a gradient, so no sample is needed to calibrate them.
    const compiler = await Compiler.create(model, { classes: record.data.classes }, { seed: record.program.seed });
    const program = await compiler.compile(record.program);
    const session = call(() => new (native().Session)(program.handle), run.path);
    const { checkpoint } = state;
    call(() => session.restore(checkpoint.state, checkpoint.steps), run.path);
    const { origin } = record.data;
    return new Predictor(model, record.data.classes, origin && 'resize' in origin ? origin.resize : 'stretch', session);
  }

  /** Classifies samples that are files or bytes of files. */
  async predict(samples: readonly SampleSource[], options: WorkOptions = {}): Promise<Prediction[]> {
    checkImageInput(this.model.input);
    const length = inputLength(this.model.input);
    const inputs = new Int8Array(samples.length * length);
    const names = samples.map((sample, i) => (typeof sample === 'string' ? sample : `sample ${i}`));
    const decode = async (i: number): Promise<void> => {
      inputs.set(await decodeImage(samples[i] ?? '', this.model.input, this.resize, names[i]), i * length);
    };
    await eachParallel(samples.length, availableParallelism(), decode, { signal: options.signal });
    return this.predictAll(Dataset.from(inputs, new Uint16Array(samples.length), this.model.input, names), options);
  }

  /** Classifies all samples of a data set. */
  async predictAll(data: Dataset, options: WorkOptions = {}): Promise<Prediction[]> {
    const found = await watched(control => this.#session.predictAll(data.handle, control), options);
    const n = this.classes.length;
    return Array.from(found.predicted, (label, i) => {
      const scores = Array.from(found.scores.subarray(i * n, (i + 1) * n), score => score / SCORE_UNIT);
      const name = data.names[i] ?? `sample ${i}`;
      return { name, class: this.classes[label] ?? '', label, score: scores[label] ?? 0, scores };
    });
  }
}
