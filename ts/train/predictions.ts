import type { Dataset } from '../data/dataset.js';
import type { WorkOptions } from '../data/pool.js';
import { call, native, type Session, watched } from '../native.js';
import { options as all, checkOptions, optionTable, progress } from '../options.js';
import type { Program } from '../program/program.js';

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

const workOptions = optionTable<WorkOptions>({ signal: all.signal, onProgress: progress() });

/** Probabilities come in Q0.31. */
const SCORE_UNIT = 2 ** 31;

/** Throws `OPTION_INVALID` for options that are none. */
export function checkWork(options: WorkOptions): void {
  checkOptions(workOptions, options);
}

/** The predictions that a session makes for all samples of a data set. Throws `SIZE_MISMATCH` for samples of another input, `ABORTED`. */
export async function predictionsOf(
  session: Session,
  classes: readonly string[],
  data: Dataset,
  options: WorkOptions = {},
): Promise<Prediction[]> {
  checkWork(options);
  const found = await watched(control => session.predictAll(data.handle, control), options);
  const n = classes.length;
  return Array.from(found.predicted, (label, i) => {
    const scores = Array.from(found.scores.subarray(i * n, (i + 1) * n), score => score / SCORE_UNIT);
    const name = data.names[i] ?? `sample ${i}`;
    return { name, class: classes[label] ?? '', label, score: scores[label] ?? 0, scores };
  });
}

/**
 * The predictions for all samples of a data set of what a Program starts with: `predict(program.withState(result.state), data)`. Throws `SIZE_MISMATCH` for
 * samples of another input, `ABORTED`.
 */
export async function predict(program: Program, data: Dataset, options: WorkOptions = {}): Promise<Prediction[]> {
  const session = call(() => new (native().Session)(program.handle));
  return predictionsOf(session, program.classes, data, options);
}
