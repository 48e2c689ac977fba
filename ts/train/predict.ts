import type { Dataset } from '../data/dataset.js';
import { checkFitting } from '../data/images/camera.js';
import { imageSamples } from '../data/images/files.js';
import type { Fitting } from '../data/images/input.js';
import type { ImageSource } from '../data/images/open.js';
import { cuttingOf, fittingOf } from '../data/origin.js';
import type { WorkOptions } from '../data/pool.js';
import { seriesSamples } from '../data/series/files.js';
import type { Cutting } from '../data/series/rows.js';
import { TinytrainError } from '../errors.js';
import type { ModelInput } from '../model/input.js';
import { call, native, type Session } from '../native.js';
import { options as all, checkOptions, optionTable } from '../options.js';
import type { Program } from '../program/program.js';
import { checkWork, type Prediction, predictionsOf } from './predictions.js';
import type { RunFolder } from './run.js';

/** How samples are brought into the form of the input. */
export interface PredictorOptions extends Cutting, Fitting {}

const { resize, camera, crop, window, hop, wholeFront } = all;
const predictorOptions = optionTable<PredictorOptions>({ resize, camera, crop, window, hop, front: wholeFront });

/** A Program with the state trained by a run. */
export class Predictor {
  readonly program: Program;
  /** How images are fitted to the input. */
  readonly fitting: Fitting;
  /** How recordings are cut. */
  readonly cutting: Cutting;
  readonly #session: Session;

  private constructor(program: Program, { window, hop, front, ...fitting }: PredictorOptions, session: Session) {
    this.program = program;
    this.fitting = fitting;
    this.cutting = { window, hop, front };
    this.#session = session;
  }

  /** Predicts with what a Program starts with: `Predictor.of(program.withState(result.state))`. */
  static of(program: Program, options: PredictorOptions = {}): Predictor {
    checkOptions(predictorOptions, options);
    checkFitting(options);
    return new Predictor(
      program,
      options,
      call(() => new (native().Session)(program.handle)),
    );
  }

  /** Loads the state that a run has trained so far. Throws `RUN_UNTRAINED` before its first checkpoint, and the errors of reading a run. */
  static async open(run: RunFolder): Promise<Predictor> {
    const { origin } = (await run.record()).origin.data;
    const state = await run.state();
    const program = (await run.program()).withState(state);
    return Predictor.of(program, { ...fittingOf(origin), ...cuttingOf(origin) });
  }

  /** Names of the classes. */
  get classes(): readonly string[] {
    return this.program.classes;
  }

  /** The form in which the model takes samples. */
  get input(): ModelInput {
    return this.program.input;
  }

  /**
   * Classifies images given as files or as the bytes of files, or recordings given as files, which are cut as in training. Throws `IMAGE_CORRUPT`,
   * `RECORDING_CORRUPT`, `INPUT_SHAPE`, `ABORTED`.
   */
  async predict(images: readonly ImageSource[], options: WorkOptions = {}): Promise<Prediction[]> {
    checkWork(options);
    if (this.input.series) {
      const paths = images.map(image => {
        if (typeof image === 'string') return image;
        throw new TinytrainError('OPTION_INVALID', 'recordings are given as paths of files');
      });
      return this.predictAll(await seriesSamples(paths, this.input, this.cutting, options), options);
    }
    return this.predictAll(await imageSamples(images, this.input, this.fitting, options), options);
  }

  /** Classifies all samples of a data set. Throws `SIZE_MISMATCH` for samples of another input, `ABORTED`. */
  async predictAll(data: Dataset, options: WorkOptions = {}): Promise<Prediction[]> {
    return predictionsOf(this.#session, this.classes, data, options);
  }
}
