import { promises as fs } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Dataset } from '../data/dataset.js';
import { fileError, TinytrainError } from '../errors.js';
import { call, type FloatModel as Handle, native, recordOf, wait, watched } from '../native.js';
import { factsOf, inputOf, type ModelInput } from './input.js';

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

/** Options for opening a float model. */
export interface FloatModelOptions {
  /** Rows and columns of the input, for an `.onnx` that leaves them open. */
  readonly input?: { readonly height: number; readonly width: number } | undefined;
  /** Normalisation of pixels from 0 to 255 with which the model was trained, `real = (pixel - mean) / std`; 0 to 1 if omitted. */
  readonly normalisation?: { readonly mean: readonly number[]; readonly std: readonly number[] } | undefined;
}

/** Threads to work on, one per core if omitted, and a signal that stops the work. */
interface WorkOptions {
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Pixels become 0 to 1: what most exporters of float models expect. */
const fromZeroToOne = { mean: [0], std: [255] };

/** The quantisation with which int8 covers all pixels, and 0. */
function covering(mean: readonly number[], std: readonly number[]): { scale: number; zero: number } {
  const channels = Math.max(mean.length, std.length);
  const ends = Array.from({ length: channels }, (_, c) => {
    const [m, s] = [mean[c] ?? mean[0] ?? 0, std[c] ?? std[0] ?? 1];
    return [(0 - m) / s, (255 - m) / s];
  }).flat();
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const scale = Math.fround((high - low) / 255);
  return { scale, zero: Math.min(127, Math.max(-128, Math.round(-128 - low / scale))) };
}

/** A float model, which becomes an int8 one with samples. */
export class FloatModel {
  readonly path: string;
  readonly name: string;
  /** `onnx` or `tflite`. */
  readonly format: string;
  /** How samples are fed. */
  readonly input: ModelInput;
  /** Whether its normalisation was assumed, since neither the file nor the caller gave it. */
  readonly assumed: boolean;
  readonly #handle: Handle;

  /** @internal */
  constructor(handle: Handle, path: string, normalisation: FloatModelOptions['normalisation']) {
    this.#handle = handle;
    this.path = path;
    const { name, format, shape, stated } = recordOf<FloatFacts>(call(() => handle.describe()));
    this.name = name;
    this.format = format;
    this.assumed = !normalisation && !stated;
    const { mean, std } = normalisation ?? stated ?? fromZeroToOne;
    this.input = inputOf(
      { shape, mean, std, ...(stated ? { scale: stated.scale, zero: stated.zero } : covering(mean, std)) },
      path,
    );
  }

  #facts() {
    const { scale, zero, mean, std } = factsOf(this.input);
    return { scale, zero, mean: [...mean], std: [...std] };
  }

  /**
   * Quantises with samples: some hundred training samples of all classes are enough. The same for any number of threads. Throws `MODEL_UNSUPPORTED` for a
   * model that int8 cannot hold.
   */
  async quantise(
    samples: Dataset,
    { threads = availableParallelism(), signal }: WorkOptions = {},
  ): Promise<QuantisedModel> {
    const found = await watched(control => this.#handle.quantise(samples.handle, this.#facts(), threads, control), {
      signal,
    });
    const { tflite, method, agreeing, heldBack } = found;
    return { tflite, method, agreement: { same: agreeing, of: heldBack } };
  }

  /** The class of each sample, in float: the index of its largest output. */
  async classes(
    samples: Dataset,
    { threads = availableParallelism(), signal }: WorkOptions = {},
  ): Promise<Uint32Array> {
    return watched(
      control => this.#handle.classes(samples.handle, this.#facts(), threads, control),
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
  const { input, normalisation } = options;
  const handle = await wait(() => native().FloatModel.load(path, bytes, input?.height, input?.width));
  return handle && new FloatModel(handle, path, normalisation);
}

/** Opens a float `.onnx` or `.tflite`. Throws `MODEL_NOT_FLOAT` for an int8 model, which needs no quantisation, and for what is no model. */
export async function loadFloatModel(path: string, options: FloatModelOptions = {}): Promise<FloatModel> {
  let bytes: Buffer;
  try {
    bytes = await fs.readFile(path);
  } catch (error) {
    throw fileError(error, path, 'the model cannot be read');
  }
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
