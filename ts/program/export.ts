import { TinytrainError } from '../errors.js';
import { factsOf } from '../model/input.js';
import { anyModelFrom, Model } from '../model/model.js';
import { native, wait } from '../native.js';
import { checkModelOf } from './model.js';
import type { Program } from './program.js';

/** A model and the content of its file, which is not written yet. */
export interface MadeModel {
  readonly model: Model;
  readonly tflite: Uint8Array;
}

/**
 * A model with what a Program of it starts with (`program.withState(state)`), classifier included, as an int8 `.tflite`: int8 pixels in, int8 probabilities of the classes
 * out. Labels and normalisation are in its metadata. Throws `MODEL_DIFFERS`, and `EXPORT_UNSUPPORTED` for an operator that the format has not.
 */
export async function exportTflite(program: Program, model: Model): Promise<Uint8Array> {
  checkModelOf(program, model);
  const { classes, input } = program;
  // A file says how pixels are normalised, and has no words for columns.
  const { mean, std } = input.units ? { mean: [], std: [] } : input;
  return wait(() => native().exportTflite(model.handle, program.handle, [...classes], [...mean], [...std]), model.path);
}

/** The weights of the same model as numpy arrays, `.npz`: see docs/export.md. Throws `MODEL_DIFFERS`. */
export async function exportNpz(program: Program, model: Model): Promise<Uint8Array> {
  checkModelOf(program, model);
  return wait(() => native().exportNpz(model.handle, program.handle, [...program.classes]), model.path);
}

/**
 * What a Program starts with as a model of its own, to be found at `path` once its file is there: weights and biases of the backbone, and the classifier, whose
 * classes have the Program's names, so that a head for them is kept. Throws the errors of `exportTflite`.
 */
export async function learnedModel(program: Program, model: Model, path: string): Promise<MadeModel> {
  const tflite = await exportTflite(program, model);
  const { mean, std, units } = factsOf(program.input);
  const made = await anyModelFrom(path, tflite, { ...(!units && { normalisation: { mean, std } }) });
  if (!(made instanceof Model)) throw new TinytrainError('INTERNAL', `internal: ${path}: exported as a float model`);
  return { model: units ? made.withSeries({ mean, std, units }) : made, tflite };
}
