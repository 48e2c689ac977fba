import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { type Dataset, spread } from '../data/dataset.js';
import { readOptions } from '../data/read.js';
import type { ReadOptions, SampleSource } from '../data/source.js';
import { native, wait } from '../native.js';
import { options as all, checkOptions, optionTable } from '../options.js';
import type { FloatModel } from './float.js';
import { Model, type QuantisedOrigin } from './model.js';

/** Options for quantising a float model with the samples of a source. */
export interface QuantiseOptions extends ReadOptions {
  /** Training samples from which scales are found, at most, spread over all of them; 128 by default. */
  readonly most?: number | undefined;
  /** For series: how their values become what the model takes, `real = (value - mean) / std`; each column's range becomes 0 to 1 if omitted. */
  readonly normalisation?: { readonly mean: readonly number[]; readonly std: readonly number[] } | undefined;
}

const quantiseOptions = optionTable<QuantiseOptions>({
  ...readOptions,
  most: all.calibrationSamples,
  normalisation: all.normalisation,
});

/** The int8 model that samples make of a float one, whose input they are for, and its `.tflite`. @internal */
export async function modelOfSamples(
  float: FloatModel,
  samples: Dataset,
  from: QuantisedOrigin['samples'],
  { threads = availableParallelism(), signal }: ReadOptions = {},
): Promise<Pick<Made, 'model' | 'quantised' | 'tflite'>> {
  const { path, hash: file, format, assumed, input } = float;
  const { tflite, method, agreement } = await float.quantise(samples, { threads, signal });
  const handle = await wait(() => native().Model.load(path, tflite, {}));
  const hash = createHash('sha256').update(tflite).digest('hex');
  const quantised = { file, method, agreement, assumed, samples: from };
  return { model: new Model(handle, path, hash, { input, float: { format, quantised } }), quantised, tflite };
}

/** What quantising makes: the int8 model, its file, and the float model as it was fed. */
interface Made {
  readonly model: Model;
  readonly quantised: QuantisedOrigin;
  readonly tflite: Uint8Array;
  readonly float: FloatModel;
  /** Samples that were used. */
  readonly samples: number;
}

/** Quantises a float model with training samples of a source. @internal */
export async function quantise(float: FloatModel, source: SampleSource, options: QuantiseOptions = {}): Promise<Made> {
  checkOptions(quantiseOptions, options);
  float.checkPrice();
  const { most = all.calibrationSamples.default, normalisation, ...how } = options;
  const fed = await float.fedWith(source, normalisation, how);
  const only = { train: spread(source.parts.train.length, most) };
  const { train, hash } = await source.read(fed.input, { ...how, only });
  const from = { most, source: source.name, hash, origin: source.origin };
  return { ...(await modelOfSamples(fed, train, from, how)), float: fed, samples: train.size };
}

/**
 * The int8 model that a float one becomes with training samples of a source: what `compile`, `train` and `search` take. The same for any number of
 * threads. Throws the errors of reading samples, and `MODEL_UNSUPPORTED` for a model that int8 cannot hold.
 */
export async function quantised(
  float: FloatModel,
  source: SampleSource,
  options: QuantiseOptions = {},
): Promise<Model> {
  return (await quantise(float, source, options)).model;
}
