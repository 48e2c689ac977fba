import type { Dataset } from '../data/dataset.js';
import { imageSamples } from '../data/images/files.js';
import type { ResizePolicy } from '../data/images/input.js';
import type { ImageSource } from '../data/images/open.js';
import type { WorkOptions } from '../data/pool.js';
import type { ModelInput } from '../model/input.js';
import { call, native, type Session, watched } from '../native.js';
import type { Program } from '../program/program.js';
import type { RunFolder } from './run.js';

/** The prediction of a trained model for one sample. */
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

/** A Program with the state trained by a run. */
export class Predictor {
  readonly program: Program;
  /** How images of another size are fitted to the input. */
  readonly resize: ResizePolicy;
  readonly #session: Session;

  private constructor(program: Program, resize: ResizePolicy, session: Session) {
    this.program = program;
    this.resize = resize;
    this.#session = session;
  }

  /** Predicts with what a Program starts with: `Predictor.of(program.withState(result.state))`. */
  static of(program: Program, { resize = 'stretch' }: { readonly resize?: ResizePolicy | undefined } = {}): Predictor {
    return new Predictor(
      program,
      resize,
      call(() => new (native().Session)(program.handle)),
    );
  }

  /** Loads the state that a run has trained so far. Throws `RUN_UNTRAINED` before its first checkpoint, and the errors of reading a run. */
  static async open(run: RunFolder): Promise<Predictor> {
    const { origin } = (await run.record()).origin.data;
    const state = await run.state();
    const program = (await run.program()).withState(state);
    return Predictor.of(program, { resize: origin?.kind === 'images' ? origin.resize : 'stretch' });
  }

  /** Names of the classes. */
  get classes(): readonly string[] {
    return this.program.classes;
  }

  /** The form in which the model takes samples. */
  get input(): ModelInput {
    return this.program.input;
  }

  /** Classifies images given as files or as the bytes of files. Throws `IMAGE_CORRUPT`, `ABORTED`. */
  async predict(images: readonly ImageSource[], options: WorkOptions = {}): Promise<Prediction[]> {
    return this.predictAll(await imageSamples(images, this.input, this.resize, options), options);
  }

  /** Classifies all samples of a data set. Throws `SIZE_MISMATCH` for samples of another input, `ABORTED`. */
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
