import { TinytrainError } from '../errors.js';
import { factsOf } from '../model/input.js';
import type { Model } from '../model/model.js';
import type { Program } from './program.js';

/** Throws `MODEL_DIFFERS` for a model from which a Program was not compiled, or with another input. */
export function checkModelOf({ model: { hash }, input }: Program, model: Model): void {
  if (model.hash === hash && JSON.stringify(factsOf(model.input)) === JSON.stringify(factsOf(input))) return;
  const what = `${model.path}: not the model from which the program was compiled, or with another input`;
  throw new TinytrainError('MODEL_DIFFERS', what, { path: model.path, found: model.hash, expected: hash });
}
