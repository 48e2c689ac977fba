import { addonReady, readAny, sha256, threadCount } from '#host';
import type { Dataset } from '../data/dataset.js';
import type { WorkOptions as Reading } from '../data/pool.js';
import type { SampleSource } from '../data/source.js';
import { TinytrainError } from '../errors.js';
import { call, type FloatModel as Handle, native, recordOf, wait, watched } from '../native.js';
import { options as all, checkOptions, optionTable } from '../options.js';
import { factsOf, inputOf, type ModelInput } from './input.js';
import { checkPrice, type ModelPrice, mostPrice } from './price.js';

/** What a file says of a float model. */
interface FloatFacts {
  readonly name: string;
  readonly format: string;
  readonly shape: readonly [number, number, number];
  /** The quantisation that the file states for its input, with the normalisation that goes with it. */
  readonly stated: {
    readonly scale: number;
    readonly zero: number;
    readonly mean: number[];
    readonly std: number[];
  } | null;
  /** What a forward pass takes. */
  readonly price: ModelPrice;
}

/** An int8 model made from a float one. */
export interface QuantisedModel {
  /** The int8 `.tflite`; the normalisation of its input is in its metadata. */
  readonly tflite: Uint8Array;
  /** Which part of the ranges of its activations int8 covers, in words. */
  readonly method: string;
  /** Of the samples that were held back for the choice of the method, those to which both models give the same class. */
  readonly agreement: { readonly same: number; readonly of: number };
}

/** `real = (value - mean) / std`, one entry or one for each channel or column. */
interface Normalisation {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Options for opening a float model. */
export interface FloatModelOptions {
  /** Rows and columns of the input, for an `.onnx` that leaves them open. */
  readonly input?: { readonly height: number; readonly width: number } | undefined;
  /** Normalisation of pixels from 0 to 255 with which the model was trained, `real = (pixel - mean) / std`; 0 to 1 if omitted. */
  readonly normalisation?: Normalisation | undefined;
}

const { input, normalisation, threads, signal } = all;
const floatOptions = optionTable<FloatModelOptions>({ input, normalisation });
const workOptions = optionTable<WorkOptions>({ threads, signal });

/** Threads to work on, one per core if omitted, and a signal that stops the work. */
interface WorkOptions {
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Pixels become 0 to 1: what most exporters of float models expect. */
const fromZeroToOne = { mean: [0], std: [255] };

/** The quantisation with which int8 covers values in these ranges, and 0. The ranges are those of the channels of images or of the columns of series. */
function covering(
  { mean, std }: Normalisation,
  ranges: readonly (readonly [number, number])[],
): { scale: number; zero: number } {
  const count = Math.max(mean.length, std.length, ranges.length);
  const ends = Array.from({ length: count }, (_, c) => {
    const [m, s] = [mean[c] ?? mean[0] ?? 0, std[c] ?? std[0] ?? 1];
    return (ranges[c] ?? ranges[0] ?? [0, 0]).map(value => (value - m) / s);
  }).flat();
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const scale = Math.fround((high - low) / 255);
  return { scale, zero: Math.min(127, Math.max(-128, Math.round(-128 - low / scale))) };
}

/** A float model, which becomes an int8 one with samples. */
export class FloatModel {
  readonly path: string;
  /** SHA-256 of the file, in hexadecimal. */
  readonly hash: string;
  readonly name: string;
  /** `onnx` or `tflite`. */
  readonly format: string;
  /** How samples are fed. */
  readonly input: ModelInput;
  /** Whether its normalisation was assumed, since neither the file nor the caller gave it. */
  readonly assumed: boolean;
  readonly #handle: Handle;
  readonly #facts: FloatFacts;

  /** @internal */
  constructor(
    handle: Handle,
    { path, hash }: { readonly path: string; readonly hash: string },
    how: {
      readonly normalisation?: Normalisation | undefined;
      readonly input?: ModelInput;
      readonly assumed?: boolean;
    },
  ) {
    this.#handle = handle;
    this.#facts = recordOf<FloatFacts>(call(() => handle.describe()));
    this.path = path;
    this.hash = hash;
    const { name, format, shape, stated } = this.#facts;
    this.name = name;
    this.format = format;
    this.assumed = how.assumed ?? (!how.normalisation && !stated);
    const { mean, std } = how.normalisation ?? stated ?? fromZeroToOne;
    const { scale, zero } = stated ?? covering({ mean, std }, [[0, 255]]);
    this.input = how.input ?? inputOf({ shape, mean, std, scale, zero }, path);
  }

  /** The same model with another input, such as that of a record. @internal */
  fed(input: ModelInput, assumed = this.assumed): FloatModel {
    return new FloatModel(this.#handle, this, { input, assumed });
  }

  /**
   * The same model, fed with the series of a source. Values become `(value - mean) / std`; unless these are given, or the file states its quantisation, the
   * range of each column in the training recordings becomes 0 to 1. Throws the errors of the source's `normalise`.
   */
  async fedWith(source: SampleSource, given?: Normalisation, how: Reading = {}): Promise<FloatModel> {
    if (!source.normalise || !source.ranges) return this;
    const { shape, stated } = this.#facts;
    const ranges = await source.ranges(this.input, how);
    const unit = { mean: ranges.map(([low]) => low), std: ranges.map(([low, high]) => high - low) };
    const normalisation = given ?? (stated ? undefined : unit);
    const { scale, zero } = stated ?? covering(given ?? unit, ranges);
    const found = await source.normalise(this.input, { scale, zero }, normalisation, how);
    return this.fed(inputOf({ shape, scale, zero, ...found }, this.path), !given);
  }

  /** Throws `MODEL_TOO_LARGE` for a model that takes too much to compute with. @internal */
  checkPrice(): void {
    checkPrice(this.path, this.#facts.price, mostPrice());
  }

  #native() {
    const { scale, zero, mean, std, units } = factsOf(this.input);
    // A file says how pixels are normalised, and has no words for columns.
    return { scale, zero, mean: units ? [] : [...mean], std: units ? [] : [...std] };
  }

  /**
   * Quantises with samples: some hundred training samples of all classes are enough. The same for any number of threads. Throws `MODEL_UNSUPPORTED` for a
   * model that int8 cannot hold, `MODEL_TOO_LARGE` for one that takes too much.
   */
  async quantise(samples: Dataset, options: WorkOptions = {}): Promise<QuantisedModel> {
    checkOptions(workOptions, options);
    this.checkPrice();
    const { threads = threadCount(), signal } = options;
    const found = await watched(control => this.#handle.quantise(samples.handle, this.#native(), threads, control), {
      signal,
    });
    const { tflite, method, agreeing, heldBack } = found;
    return { tflite, method, agreement: { same: agreeing, of: heldBack } };
  }

  /** The class of each sample, in float: the index of its largest output. Throws `MODEL_TOO_LARGE`. */
  async classes(samples: Dataset, options: WorkOptions = {}): Promise<Uint32Array> {
    checkOptions(workOptions, options);
    this.checkPrice();
    const { threads = threadCount(), signal } = options;
    return watched(
      control => this.#handle.classes(samples.handle, this.#native(), threads, control),
      { signal },
      this.path,
    );
  }
}

/** @internal The float model of a file's content; null if it is none. */
export async function floatModelOf(
  path: string,
  bytes: Uint8Array,
  options: FloatModelOptions,
): Promise<FloatModel | null> {
  await addonReady();
  const { input, normalisation } = options;
  const handle = await wait(() => native().FloatModel.load(path, bytes, input?.height, input?.width));
  const hash = sha256().update(bytes).digest('hex');
  return handle && new FloatModel(handle, { path, hash }, { normalisation });
}

/** Opens a float `.onnx` or `.tflite`. Throws `MODEL_NOT_FLOAT` for an int8 model, which needs no quantisation, and for what is no model. */
export async function loadFloatModel(path: string, options: FloatModelOptions = {}): Promise<FloatModel> {
  checkOptions(floatOptions, options);
  const bytes = await readAny(path, 'the model cannot be read');
  const model = await floatModelOf(path, bytes, options);
  if (!model) {
    throw new TinytrainError(
      'MODEL_NOT_FLOAT',
      `${path}: not a float model: neither an .onnx nor a .tflite with a float input`,
      {
        help: ['an int8 .tflite is taken as it is: npx tinytrain inspect --model FILE'],
      },
    );
  }
  return model;
}
