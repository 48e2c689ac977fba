import { join } from 'node:path';
import * as v from 'valibot';
import { sourceWithClasses } from './data/classes.js';
import { type SampleSet, spread } from './data/dataset.js';
import { openSource } from './data/open.js';
import { type DataOrigin, dataOrigin } from './data/origin.js';
import type { ReadOptions, SampleSource } from './data/source.js';
import { feeds } from './defaults.js';
import { TinytrainError } from './errors.js';
import { count, sha256 } from './json.js';
import { FloatModel } from './model/float.js';
import { factsOf, type InputFacts, inputOf } from './model/input.js';
import { loadAnyModel, type Model, type ModelOrigin, type QuantisedOrigin } from './model/model.js';
import { modelOfSamples } from './model/quantised.js';
import { boardPlace } from './program/compiler.js';
import { programFile, readProgram } from './program/file.js';
import type { MemoryLimits } from './program/memory.js';
import type { Program } from './program/program.js';

/** The identity of a data set. */
export interface SamplesOrigin {
  /** Their source and split, for people to read. */
  readonly source: string;
  readonly classes: readonly string[];
  /** Changes whenever the samples change in any way. */
  readonly hash: string;
  /** How to read them again; null for samples that did not come from a source of this package. */
  readonly origin: DataOrigin | null;
}

/** Samples, or what a record has of them. */
export type NamedSamples = Pick<SampleSet, 'source' | 'classes' | 'hash'> & { readonly origin?: DataOrigin | null };

/** The identity of the Program stored beside the record, in `program.ttp`. */
export interface ProgramOrigin {
  /** SHA-256 over everything that determines its results. */
  readonly hash: string;
  /** The scheme in canonical form. */
  readonly scheme: string;
  readonly residualBits: number;
  readonly seed: number;
  /** The limits that it satisfies. */
  readonly limits: MemoryLimits;
}

/**
 * The origin of a run, a search or a firmware: the record that all of them store, and from which all of them are reopened. The model is named for people
 * to read; only a search needs its file, to compile further schemes.
 */
export interface Origin {
  readonly model: ModelOrigin;
  readonly input: InputFacts;
  readonly data: SamplesOrigin;
}

const numbers = v.pipe(v.array(v.pipe(v.number(), v.finite())), v.minLength(1));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const size = v.pipe(count, v.minValue(1));

const quantisedOrigin: v.GenericSchema<unknown, QuantisedOrigin> = v.object({
  file: sha256,
  method: v.string(),
  agreement: v.object({ same: count, of: count }),
  assumed: v.boolean(),
  samples: v.object({ most: size, source: v.string(), hash: v.string(), origin: v.nullable(dataOrigin) }),
});

/** Schema of an origin that was read from a file. */
export const originSchema: v.GenericSchema<unknown, Origin> = v.object({
  model: v.object({
    name: v.string(),
    path: v.string(),
    hash: sha256,
    format: v.string(),
    quantised: v.optional(quantisedOrigin),
  }),
  input: v.object({
    shape: v.tuple([size, size, size]),
    scale: positive,
    zero: v.pipe(v.number(), v.safeInteger(), v.minValue(-128), v.maxValue(127)),
    mean: numbers,
    std: v.pipe(v.array(positive), v.minLength(1)),
    units: v.optional(v.pipe(v.array(positive), v.minLength(1))),
  }),
  data: v.object({
    source: v.string(),
    classes: v.pipe(v.array(v.string()), v.minLength(2)),
    hash: v.string(),
    origin: v.nullable(dataOrigin),
  }),
});

/** Schema of the identity of a Program that was read from a file. */
export const programOrigin: v.GenericSchema<unknown, ProgramOrigin> = v.object({
  hash: sha256,
  scheme: v.string(),
  residualBits: v.picklist([0, 2, 4, 8]),
  seed: count,
  limits: v.object({
    budget: v.optional(count),
    flash: v.optional(count),
    target: v.optional(v.string()),
    feed: v.optional(v.picklist(feeds)),
    store: v.optional(v.boolean()),
    replay: v.optional(count),
  }),
});

/** The origin of something made from a model (or one of its Programs) and samples. */
export function originOf(made: Pick<Program, 'input'> & { readonly model: ModelOrigin }, data: NamedSamples): Origin {
  const { source, classes, hash, origin = null } = data;
  return { model: made.model, input: factsOf(made.input), data: { source, classes, hash, origin } };
}

/** The identity of a Program. A board given as a folder is named by its absolute path. */
export function programOriginOf({ hash, scheme, residualBits, seed, limits }: Program): ProgramOrigin {
  const { target, ...bytes } = limits;
  if (target === undefined) return { hash, scheme, residualBits, seed, limits };
  return { hash, scheme, residualBits, seed, limits: { ...bytes, target: boardPlace(target) } };
}

/** Reads the Program of a folder. Throws the errors of `readProgram`. */
export function reopenProgram(folder: string, origin: Origin, { hash, limits }: ProgramOrigin): Promise<Program> {
  const path = join(folder, programFile);
  const { model, input, data } = origin;
  return readProgram(path, hash, { model, input: inputOf(input, path), classes: data.classes, limits });
}

/**
 * Reopens the source of the samples under its original name. Throws `DATA_UNKNOWN` for samples that were created by a program, and the errors of
 * opening the source.
 */
export async function reopenSource({ data }: Origin, place: string): Promise<SampleSource> {
  if (!data.origin) {
    const why = `${place}: its samples (${data.source}) were created by a program`;
    throw new TinytrainError('DATA_UNKNOWN', why, { path: place });
  }
  const source = sourceWithClasses(await openSource(data.origin, data.hash), data.classes);
  const name = data.source;
  return { ...source, name, read: async (...how) => ({ ...(await source.read(...how)), source: name }) };
}

/** Reads the samples again from their source. Throws the errors of `reopenSource` and of reading. */
export async function reopenSamples(origin: Origin, place: string, options: ReadOptions = {}): Promise<SampleSet> {
  return (await reopenSource(origin, place)).read(inputOf(origin.input, place), options);
}

function otherModel(model: ModelOrigin, found: string, expected: string, place: string): TinytrainError {
  const what = `${model.path}: not the model with which ${place} was started`;
  return new TinytrainError('MODEL_DIFFERS', what, { path: model.path, found, expected });
}

/** Quantises a float model as it was done before: with the same samples, read again. */
async function requantised(float: FloatModel, origin: Origin, place: string, how: ReadOptions): Promise<Model> {
  const { model, input } = origin;
  const { quantised } = model;
  if (!quantised || quantised.file !== float.hash) {
    throw otherModel(model, float.hash, quantised?.file ?? model.hash, place);
  }
  const { samples } = quantised;
  const source = await reopenSource({ ...origin, data: { ...origin.data, ...samples } }, place);
  const fed = float.fed(inputOf(input, place), quantised.assumed);
  const only = { train: spread(source.parts.train.length, samples.most) };
  const { train, hash } = await source.read(fed.input, { ...how, only });
  const again = hash === samples.hash ? (await modelOfSamples(fed, train, samples, how)).model : undefined;
  if (again?.hash === model.hash) return again;
  const which = again ? 'give another int8 model here' : 'have changed';
  const what = `${model.path}: quantised for ${place} with samples of ${samples.source} that ${which}`;
  throw new TinytrainError('MODEL_DIFFERS', what, { path: model.path, found: again?.hash, expected: model.hash });
}

/**
 * Loads the model from its file; a float one is quantised again, as it was done before. Throws `MODEL_DIFFERS` if the file has changed, or the samples with
 * which it was quantised.
 */
export async function reopenModel(origin: Origin, place: string, how: ReadOptions = {}): Promise<Model> {
  const { model, input } = origin;
  const [height, width] = input.shape;
  const { mean, std, units } = input;
  const normalisation = units ? undefined : { mean, std };
  const found = await loadAnyModel(model.path, { input: { height, width }, normalisation });
  if (found instanceof FloatModel) return requantised(found, origin, place, how);
  if (found.hash !== model.hash) throw otherModel(model, found.hash, model.hash, place);
  return units ? found.withSeries({ mean, std, units }) : found;
}
