import type { Model } from '../model/model.js';
import { native, wait } from '../native.js';
import { checkModelOf } from './model.js';
import type { Program } from './program.js';

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
