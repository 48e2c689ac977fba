import { absolute, addonReady, modelFile, readAny, sha256 } from '#host';
import type { DataOrigin } from '../data/origin.js';
import type { SeriesScale } from '../data/series/scale.js';
import { type Task, tasks } from '../defaults.js';
import { TinytrainError } from '../errors.js';
import { check, type Kind } from '../kinds.js';
import { call, type Model as Handle, type HeadRow, native, recordOf, wait, watched } from '../native.js';
import { options as all, checkOptions, optionTable } from '../options.js';
import { type FloatModel, floatModelOf } from './float.js';
import { factsOf, type InputFacts, inputOf, type ModelInput } from './input.js';
import { checkPrice, mostPrice, priceOf } from './price.js';

/** The identity of a model. */
export interface ModelOrigin {
  readonly name: string;
  /** The file it was read from, absolute. */
  readonly path: string;
  /** SHA-256 of the file, in hexadecimal; of the int8 `.tflite` that was made from it if it is a float model. */
  readonly hash: string;
  /** Its format, such as `tflite`. */
  readonly format: string;
  /** How the int8 model was made, if the file is a float model; with it, the file yields the same int8 model again. */
  readonly quantised?: QuantisedOrigin | undefined;
}

/** How an int8 model was made from a float one. */
export interface QuantisedOrigin {
  /** SHA-256 of the float model's file, in hexadecimal. */
  readonly file: string;
  /** Which part of the ranges of its activations int8 covers, in words. */
  readonly method: string;
  /** Of the samples that were held back for the choice of the method, those to which both models give the same class. */
  readonly agreement: { readonly same: number; readonly of: number };
  /** Whether the normalisation of its input was assumed, since neither the file nor the user gave it. */
  readonly assumed: boolean;
  /** The training samples from which its scales follow: at most so many, spread over all; where they come from, and how to read them again. */
  readonly samples: {
    readonly most: number;
    readonly source: string;
    readonly hash: string;
    readonly origin: DataOrigin | null;
  };
}

/** One operation of a model. */
export interface LayerInfo {
  /** Position in order of execution. */
  readonly index: number;
  /** Its kind, such as `conv` or `add`. */
  readonly op: string;
  /** Number of the convolution as used in schemes; absent for other operations. */
  readonly conv?: number;
  /** Index of the operator in the model's file, if it comes from one. */
  readonly source?: number;
  /** Whether it is a depthwise convolution. */
  readonly depthwise?: boolean;
  /** Rows and columns of a window. */
  readonly kernel?: readonly [number, number];
  /** Vertical and horizontal stride of a window. */
  readonly stride?: readonly [number, number];
  /** Rows, columns and channels of each input and of the output. */
  readonly inputs: readonly (readonly [number, number, number])[];
  readonly output: readonly [number, number, number];
  /** Multiply-accumulates. */
  readonly macs: number;
  /** int8 weights. */
  readonly weights: number;
  /** int32 biases. */
  readonly biases: number;
}

/** Totals over a model. */
export interface ModelTotals {
  readonly convolutions: number;
  readonly macs: number;
  readonly weights: number;
  readonly biases: number;
}

/** The content of a model's file. */
export interface ModelDescription {
  readonly name: string;
  readonly format: string;
  readonly input: InputFacts & {
    /** Whether mean and std were guessed from the input's quantisation, since a file does not contain them. */
    readonly guessed: boolean;
  };
  readonly layers: readonly LayerInfo[];
  readonly totals: ModelTotals;
  /** Totals without the classifier, which a head replaces: the convolutions that schemes number. Null for a model that cannot have a head. */
  readonly backbone: ModelTotals | null;
  /** Why the model cannot have a head; null if it can. */
  readonly headless: string | null;
  /** Names of the classes of its own classifier, where its file says them; empty otherwise. */
  readonly labels: readonly string[];
  /** Operators of the file behind the features that are not supported: they are left out, since a head replaces them. */
  readonly leftOut: readonly { readonly index: number; readonly name: string }[];
}

/** The result of a forward pass. */
export interface ForwardResult {
  /** The model's outputs. */
  readonly outputs: Int8Array[];
  /** Every tensor by its index in the file, if requested; empty otherwise. */
  readonly tensors: Map<number, Int8Array>;
}

/** Options for opening a model. */
export interface ModelOptions {
  /** For a model given as bytes, the file that they are of: what messages call it, and where a run would look for it again. `model` by default. */
  readonly path?: string | undefined;
  /** Rows and columns of the input, for a model whose file does not fix them (`.pkl`). */
  readonly input?: { readonly height: number; readonly width: number } | undefined;
  /** Normalisation of pixels from 0 to 255, `real = (pixel - mean) / std`; that of the metadata, or guessed from the quantisation, if omitted. */
  readonly normalisation?: { readonly mean: readonly number[]; readonly std: readonly number[] } | undefined;
}

const modelOptions = optionTable<ModelOptions>({
  input: all.input,
  normalisation: all.normalisation,
  path: all.pathOfBytes,
});
/** A model's file. */
const source: Kind<string | Uint8Array> = {
  expected: 'the path of a file, or its bytes as a Uint8Array',
  is: (value): value is string | Uint8Array => typeof value === 'string' || value instanceof Uint8Array,
};

/** The operators that were left out, for people to read; undefined if there are none. */
export function leftOutOf({ leftOut }: ModelDescription): string | undefined {
  if (leftOut.length === 0) return undefined;
  const names = leftOut.map(({ index, name }) => `${index} (${name})`).join(', ');
  return `operator${leftOut.length > 1 ? 's' : ''} ${names} behind the features: not supported, and not needed, since a head takes their place`;
}

/** The embedded model of each task. */
export const embeddedModels: Readonly<Record<Task, string>> = {
  images: modelFile('tinytrain-xs'),
  gestures: modelFile('tinytrain-gestures'),
};

/** The model that is used if none is given. */
export const defaultModelPath: string = embeddedModels[tasks[0]];

/** What is known of a model beside the content of its int8 file. */
interface ModelFacts {
  readonly input?: ModelInput;
  /** For a float model's file: its format, and how it was quantised. */
  readonly float?: { readonly format: string; readonly quantised: QuantisedOrigin } | undefined;
}

/** An int8 model. */
export class Model {
  /** The file from which it was read. */
  readonly path: string;
  /** SHA-256 of the file, in hexadecimal; of the int8 `.tflite` that was made from it if it is a float model. */
  readonly hash: string;
  readonly description: ModelDescription;
  readonly input: ModelInput;
  readonly #float: ModelFacts['float'];
  /** @internal */
  readonly handle: Handle;

  /** @internal */
  constructor(handle: Handle, path: string, hash: string, { input, float }: ModelFacts = {}) {
    this.handle = handle;
    this.path = path;
    this.hash = hash;
    const { format, input: own, ...description } = recordOf<ModelDescription>(handle.describe());
    this.input = input ?? inputOf(own, path);
    const guessed = float?.quantised.assumed ?? own.guessed;
    this.description = { ...description, format: float?.format ?? format, input: { ...factsOf(this.input), guessed } };
    this.#float = float;
  }

  /** How it was made, if its file is a float model. */
  get quantised(): QuantisedOrigin | undefined {
    return this.#float?.quantised;
  }

  /** The identity of this model. */
  get origin(): ModelOrigin {
    const { name, format } = this.description;
    const { hash, quantised } = this;
    return { name, path: absolute(this.path), hash, format, ...(quantised && { quantised }) };
  }

  /** Throws `MODEL_TOO_LARGE` for a model that takes more than is computed with: see `ModelPrice`. @internal */
  checkPrice(): void {
    checkPrice(this.path, priceOf(this.description), mostPrice());
  }

  /** The same model for series with this normalisation, such as a source's `normalise` finds. Throws `INPUT_INVALID`. */
  withSeries(scale: SeriesScale): Model {
    const input = inputOf({ ...factsOf(this.input), ...scale }, this.path);
    return new Model(this.handle, this.path, this.hash, { input, float: this.#float });
  }

  /** Runs the unchanged model, including its classifier, on one input. */
  async forward(
    input: Int8Array,
    { tensors: wanted = false, signal }: { readonly tensors?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<ForwardResult> {
    this.checkPrice();
    const { outputs, tensors } = await watched(control => this.handle.forward(input, wanted, control), { signal });
    return { outputs, tensors: new Map(tensors.map(({ index, data }) => [index, data])) };
  }

  /** Its own classifier: what each of its classes starts with in a head. Null if it has none. */
  classifier(): readonly HeadRow[] | null {
    return call(() => this.handle.classifier());
  }

  /** The graph as text, one operation per line. */
  dump(): string {
    return call(() => this.handle.dump());
  }
}

/** The file that a model given as bytes is of if nobody says. */
const UNNAMED = 'model';

/**
 * Opens an int8 `.tflite` model or a `.pkl` of the reference, given by the path of its file (in a browser, by its URL) or by its bytes; without either, the
 * default model. Throws `MODEL_FLOAT` for a float model.
 */
export async function loadModel(
  file: string | Uint8Array = defaultModelPath,
  options: ModelOptions = {},
): Promise<Model> {
  check('the model', source, file);
  const path = typeof file === 'string' ? file : (options.path ?? UNNAMED);
  const model = typeof file === 'string' ? await loadAnyModel(file, options) : await givenModel(path, file, options);
  if (model instanceof Model) return model;
  throw new TinytrainError('MODEL_FLOAT', `${path}: a float model, which samples have to quantise to int8 first`, {
    help: [
      `npx tinytrain quantise ${path} --data DIR --out ${path.replace(/^.*[\\/]|\.[^.\\/]*$/g, '')}.int8.tflite`,
      'in a program: quantised(await loadFloatModel(path), source)',
    ],
  });
}

function givenModel(path: string, bytes: Uint8Array, options: ModelOptions): Promise<Model | FloatModel> {
  checkOptions(modelOptions, options);
  return anyModelFrom(path, bytes, options);
}

/** @internal Opens a model, int8 or float. */
export async function loadAnyModel(
  path: string = defaultModelPath,
  options: ModelOptions = {},
): Promise<Model | FloatModel> {
  checkOptions(modelOptions, options);
  return anyModelFrom(path, await readAny(path, 'the model cannot be read'), options);
}

/** @internal The model of a file's content. */
export async function anyModelFrom(
  path: string,
  bytes: Uint8Array,
  options: ModelOptions,
): Promise<Model | FloatModel> {
  await addonReady();
  const { mean, std } = options.normalisation ?? {};
  const settings = {
    ...options.input,
    ...(mean && { mean: [...mean] }),
    ...(std && { std: [...std] }),
  };
  try {
    const handle = await wait(() => native().Model.load(path, bytes, settings));
    return new Model(handle, path, sha256().update(bytes).digest('hex'));
  } catch (error) {
    // A float model is none of the importer's; what is wrong with one is told in its own words.
    const float = await floatModelOf(path, bytes, options);
    if (float) return float;
    throw error;
  }
}

/**
 * The kernels in use (`chosen`: the fastest, or those named by the environment variable `TINYTRAIN_KERNELS`) and all that this processor can
 * run (`available`). All give the same bits. Throws `KERNELS_UNAVAILABLE` if the variable names others.
 */
export function kernels(): { readonly chosen: string; readonly available: readonly string[] } {
  return call(() => native().kernels());
}

/** The operators that models may contain, named as in their file format. */
export function supportedOperators(): readonly string[] {
  return call(() => native().supportedOperators());
}
