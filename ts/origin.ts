import { join, resolve } from 'node:path';
import * as v from 'valibot';
import type { SampleSet } from './data/dataset.js';
import { openSource } from './data/open.js';
import { type DataOrigin, dataOrigin } from './data/origin.js';
import type { ReadOptions, SampleSource } from './data/source.js';
import { TinytrainError } from './errors.js';
import { count, sha256 } from './json.js';
import { factsOf, type InputFacts, inputOf } from './model/input.js';
import { loadModel, type Model, type ModelOrigin } from './model/model.js';
import { targets } from './program/compiler.js';
import { programFile, readProgram } from './program/file.js';
import type { MemoryLimits } from './program/memory.js';
import type { Program } from './program/program.js';

/** Which samples something was made with. */
export interface SamplesOrigin {
  /** For people: where they come from and how they were split. */
  readonly source: string;
  readonly classes: readonly string[];
  /** Changes when anything about the samples does. */
  readonly hash: string;
  /** How to read them again; null for samples that did not come from a source of this package. */
  readonly origin: DataOrigin | null;
}

/** Which Program lies beside the record, in `program.ttp`. */
export interface ProgramOrigin {
  /** SHA-256 over everything that decides its bits. */
  readonly hash: string;
  /** The scheme in its long form. */
  readonly scheme: string;
  readonly residualBits: number;
  readonly seed: number;
  /** What it was made to fit into. */
  readonly limits: MemoryLimits;
}

/**
 * What a run, a search or a firmware was made from: the one record that all of them keep, and from which all of them are opened again. The model is named
 * so that people know it; only a search needs its file, to compile further schemes.
 */
export interface Origin {
  readonly model: ModelOrigin;
  readonly input: InputFacts;
  readonly data: SamplesOrigin;
}

const numbers = v.pipe(v.array(v.pipe(v.number(), v.finite())), v.minLength(1));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const size = v.pipe(count, v.minValue(1));

/** The check of an origin that was read from a file. */
export const originSchema: v.GenericSchema<unknown, Origin> = v.object({
  model: v.object({ name: v.string(), path: v.string(), hash: sha256, format: v.string() }),
  input: v.object({
    shape: v.tuple([size, size, size]),
    scale: positive,
    zero: v.pipe(v.number(), v.safeInteger(), v.minValue(-128), v.maxValue(127)),
    mean: numbers,
    std: v.pipe(v.array(positive), v.minLength(1)),
  }),
  data: v.object({
    source: v.string(),
    classes: v.pipe(v.array(v.string()), v.minLength(2)),
    hash: v.string(),
    origin: v.nullable(dataOrigin),
  }),
});

/** The check of the name of a Program that was read from a file. */
export const programOrigin: v.GenericSchema<unknown, ProgramOrigin> = v.object({
  hash: sha256,
  scheme: v.string(),
  residualBits: v.picklist([0, 2, 4, 8]),
  seed: count,
  limits: v.object({ budget: v.optional(count), flash: v.optional(count), target: v.optional(v.string()) }),
});

/** What is made from a model (or from a Program of one) and samples. */
export function originOf(made: Pick<Program, 'input'> & { readonly model: ModelOrigin }, data: SampleSet): Origin {
  const { source, classes, hash, origin = null } = data;
  return { model: made.model, input: factsOf(made.input), data: { source, classes, hash, origin } };
}

/** The name of a Program. A board that is a folder is named so that it is found from anywhere. */
export function programOriginOf({ hash, scheme, residualBits, seed, limits }: Program): ProgramOrigin {
  const { target, ...bytes } = limits;
  if (target === undefined) return { hash, scheme, residualBits, seed, limits };
  const place = targets().includes(target) ? target : resolve(target);
  return { hash, scheme, residualBits, seed, limits: { ...bytes, target: place } };
}

/** The Program of a folder. Throws what `readProgram` throws. */
export function reopenProgram(folder: string, origin: Origin, { hash, limits }: ProgramOrigin): Promise<Program> {
  const path = join(folder, programFile);
  const { model, input, data } = origin;
  return readProgram(path, hash, { model, input: inputOf(input, path), classes: data.classes, limits });
}

/**
 * The source of the samples, called what it was called. Throws `DATA_UNKNOWN` for samples that a program made, and what opening the source throws.
 */
export async function reopenSource({ data }: Origin, place: string): Promise<SampleSource> {
  if (!data.origin) {
    const why = `${place}: its samples (${data.source}) came from a program`;
    throw new TinytrainError('DATA_UNKNOWN', why, { path: place });
  }
  const source = await openSource(data.origin, data.hash);
  const name = data.source;
  return { ...source, name, read: async (...how) => ({ ...(await source.read(...how)), source: name }) };
}

/** The samples, read again from where they came from. Throws what `reopenSource` and reading throw. */
export async function reopenSamples(origin: Origin, place: string, options: ReadOptions = {}): Promise<SampleSet> {
  return (await reopenSource(origin, place)).read(inputOf(origin.input, place), options);
}

/** The model, from its file. Throws `MODEL_DIFFERS` if that is another one by now. */
export async function reopenModel({ model, input }: Origin, place: string): Promise<Model> {
  const [height, width] = input.shape;
  const { mean, std } = input;
  const found = await loadModel(model.path, { input: { height, width }, normalisation: { mean, std } });
  if (found.hash === model.hash) return found;
  throw new TinytrainError('MODEL_DIFFERS', `${model.path}: not the model that ${place} was begun with`, {
    path: model.path,
    found: found.hash,
    expected: model.hash,
  });
}
