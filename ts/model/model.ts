import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { InputFormat } from '../data/input.js';
import { fileError } from '../errors.js';
import { call, type Model as Handle, native, wait } from '../native.js';

/** The model's input. */
export interface ModelInput extends InputFormat {
  /** `real = (q - zero) * scale` */
  readonly scale: number;
  readonly zero: number;
}

/** One operation of a model. */
export interface LayerInfo {
  /** Place in order of execution. */
  readonly index: number;
  /** What it is, such as `conv` or `add`. */
  readonly op: string;
  /** Number of the convolution, as schemes count them; absent for other operations. */
  readonly conv?: number;
  /** Index of the operator in the model's file, where it comes from one. */
  readonly source?: number;
  /** Depthwise convolution. */
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

/** Sums over a model. */
export interface ModelTotals {
  readonly convolutions: number;
  readonly macs: number;
  readonly weights: number;
  readonly biases: number;
}

/** A model as it stands in its file. */
export interface ModelDescription {
  readonly name: string;
  readonly format: string;
  readonly input: {
    readonly shape: readonly [number, number, number];
    readonly scale: number;
    readonly zero: number;
    /** `real = (pixel - mean) / std`, one entry or one a channel. */
    readonly mean: readonly number[];
    readonly std: readonly number[];
    /** Whether mean and std were guessed from the input's quantisation, as a file does not say them. */
    readonly guessed: boolean;
  };
  readonly layers: readonly LayerInfo[];
  readonly totals: ModelTotals;
  /** Without the classifier, which a head replaces: the convolutions that schemes count. Null for a model that takes no head. */
  readonly backbone: ModelTotals | null;
}

/** What a forward pass yields. */
export interface ForwardResult {
  /** What the model yields. */
  readonly outputs: Int8Array[];
  /** Every tensor by its index in the file, if asked for; empty otherwise. */
  readonly tensors: Map<number, Int8Array>;
}

/** How a model is opened. */
export interface ModelOptions {
  /** Rows and columns of the input, for a model whose file does not fix them (`.pkl`). */
  readonly input?: { readonly height: number; readonly width: number } | undefined;
  /** What the model expects of a pixel from 0 to 255, `real = (pixel - mean) / std`; guessed from the quantisation where it is left out. */
  readonly normalisation?: { readonly mean: readonly number[]; readonly std: readonly number[] } | undefined;
}

/** The model that is used where none is given. */
export const defaultModelPath: string = fileURLToPath(new URL('../../assets/tinytrain-xs.tflite', import.meta.url));

/** An int8 model. */
export class Model {
  /** The file it was read from. */
  readonly path: string;
  /** SHA-256 of the file, in hexadecimal. */
  readonly hash: string;
  readonly description: ModelDescription;
  readonly input: ModelInput;
  /** @internal */
  readonly handle: Handle;

  /** @internal */
  constructor(handle: Handle, path: string, hash: string) {
    this.handle = handle;
    this.path = path;
    this.hash = hash;
    this.description = JSON.parse(handle.describe()) as ModelDescription;
    const { shape, scale, zero, mean, std } = this.description.input;
    const [height, width, channels] = shape;
    const tables = call(() => native().inputTables(channels, scale, zero, [...mean], [...std]));
    this.input = { height, width, channels, scale, zero, tables };
  }

  /** Runs the model as it stands, classifier included, on one input. */
  async forward(input: Int8Array, options: { readonly tensors?: boolean } = {}): Promise<ForwardResult> {
    const { outputs, tensors } = await wait(() => this.handle.forward(input, options.tensors ?? false));
    return { outputs, tensors: new Map(tensors.map(({ index, data }) => [index, data])) };
  }

  /** The graph as text, an operation a line. */
  dump(): string {
    return call(() => this.handle.dump());
  }
}

/** Opens an int8 `.tflite` model or a `.pkl` of the reference; without a path, the default model. */
export async function loadModel(path: string = defaultModelPath, options: ModelOptions = {}): Promise<Model> {
  let bytes: Buffer;
  try {
    bytes = await fs.readFile(path);
  } catch (error) {
    throw fileError(error, path, 'the model cannot be read');
  }
  const { mean, std } = options.normalisation ?? {};
  const settings = {
    ...options.input,
    ...(mean && { mean: [...mean] }),
    ...(std && { std: [...std] }),
  };
  const handle = await wait(() => native().Model.load(path, bytes, settings));
  return new Model(handle, path, createHash('sha256').update(bytes).digest('hex'));
}

/**
 * The kernels that simulate here (`chosen`: the fastest, or what the environment variable `TINYTRAIN_KERNELS` names) and all that this processor could
 * run (`available`). All give the same bits. Throws `KERNELS_UNAVAILABLE` if the variable names others.
 */
export function kernels(): { readonly chosen: string; readonly available: readonly string[] } {
  return call(() => native().kernels());
}

/** The operators that models may hold, by the names of their file format. */
export function supportedOperators(): readonly string[] {
  return call(() => native().supportedOperators());
}
