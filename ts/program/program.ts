import { availableParallelism } from 'node:os';
import type { SampleSet } from '../data/dataset.js';
import { pixelTableCount } from '../data/input.js';
import type { Model } from '../model/model.js';
import { type Compiler as CompilerHandle, call, type Program as Handle, native, wait } from '../native.js';
import { checkLimits, defaultTarget, type MemoryLimits, type MemoryTable } from './memory.js';
import type { ProgramRecord } from './record.js';
import { schemeText } from './scheme.js';

/** What a Program is compiled for. */
export interface CompileOptions extends MemoryLimits {
  /** What is trained: `head`, `bias:N`, `full`, the long form, or the path of a JSON file; `head` by default. */
  readonly scheme?: string | undefined;
  /** Residual bits of a trained weight: 0, 2, 4 (the default) or 8. */
  readonly residualBits?: number | undefined;
  /** Seed of the head's first weights, of calibration and of stochastic rounding; 0 by default. */
  readonly seed?: number | undefined;
  /** Threads for calibration; all cores by default. */
  readonly threads?: number | undefined;
}

/** The graph after a pass. */
export interface Stage {
  readonly name: string;
  readonly text: string;
}

/** Rounds in which the planner tries to do better. */
const PLANNER_ROUNDS = 200;

/** A model with a head for some classes, differentiated and calibrated once: Programs of any scheme are compiled from it. */
export class Compiler {
  readonly model: Model;
  readonly classes: readonly string[];
  readonly seed: number;
  readonly #handle: CompilerHandle;

  private constructor(handle: CompilerHandle, model: Model, classes: readonly string[], seed: number) {
    this.#handle = handle;
    this.model = model;
    this.classes = classes;
    this.seed = seed;
  }

  /**
   * Attaches a head for the classes of `data` and calibrates the gradients' exponents on a few of its training samples. Without samples they are
   * not calibrated: that serves to look at the graph and to predict, not to train.
   */
  static async create(
    model: Model,
    data: Pick<SampleSet, 'classes'> & Partial<Pick<SampleSet, 'train'>>,
    options: CompileOptions = {},
  ): Promise<Compiler> {
    const seed = options.seed ?? 0;
    const threads = options.threads ?? availableParallelism();
    const handle = await wait(
      () => native().Compiler.create(model.handle, data.classes.length, seed, threads, data.train?.handle),
      model.path,
    );
    return new Compiler(handle, model, data.classes, seed);
  }

  /** @internal */
  get handle(): CompilerHandle {
    return this.#handle;
  }

  /** Convolutions that a scheme can name. */
  get layers(): number {
    return this.#handle.layers;
  }

  /** The Program of a scheme. Refused if it does not fit the budget. */
  async compile(options: CompileOptions = {}): Promise<Program> {
    const residualBits = options.residualBits ?? 4;
    const scheme = await schemeText(options.scheme ?? 'head');
    const { budget, flash, target } = options;
    const limits = { budget, flash, target };
    const handle = await wait(() => this.#handle.compile(scheme, residualBits, PLANNER_ROUNDS));
    const program = new Program(handle, this.model, this.classes, this.seed, residualBits, limits);
    checkLimits(program.memory, limits);
    return program;
  }

  /** The graph after each pass. */
  async stages(scheme = 'head'): Promise<readonly Stage[]> {
    const text = await schemeText(scheme);
    return call(() => this.#handle.stages(text));
  }
}

/** A compiled Program: the steps that host and device both execute, at fixed places in memory. */
export class Program {
  readonly model: Model;
  readonly classes: readonly string[];
  readonly seed: number;
  readonly residualBits: number;
  /** The scheme in its long form. */
  readonly scheme: string;
  /** SHA-256 over everything that decides its bits. */
  readonly hash: string;
  /** Steps, tensors and places as a plain record. */
  readonly record: ProgramRecord;
  /** What it was made to fit into. */
  readonly limits: MemoryLimits;
  /** What it takes on the board it was compiled for, item by item. */
  readonly memory: MemoryTable;
  /** @internal */
  readonly handle: Handle;

  /** @internal */
  constructor(
    handle: Handle,
    model: Model,
    classes: readonly string[],
    seed: number,
    residualBits: number,
    limits: MemoryLimits,
  ) {
    this.handle = handle;
    this.model = model;
    this.classes = classes;
    this.seed = seed;
    this.residualBits = residualBits;
    this.scheme = handle.scheme;
    this.record = JSON.parse(handle.describe()) as ProgramRecord;
    this.hash = this.record.hash;
    this.memory = this.memoryOn(limits.target ?? defaultTarget);
    this.limits = limits;
  }

  /** What it takes on a board, item by item. */
  memoryOn(target: string): MemoryTable {
    return JSON.parse(call(() => this.handle.memory(target, pixelTableCount(this.model.input.tables)))) as MemoryTable;
  }

  /** The C files of kernels that it needs on a board. @internal */
  kernelFiles(target: string): readonly string[] {
    return call(() => this.handle.kernelFiles(target));
  }

  /** The bytes of a constant of the record, little-endian. */
  constant(index: number): Uint8Array {
    return call(() => this.handle.constant(index));
  }

  /** The trainable state it starts with. */
  initialState(): Uint8Array {
    return call(() => this.handle.initialState());
  }
}

/** Boards that firmware can be made for. */
export function targets(): readonly string[] {
  return call(() => native().targetNames());
}

/** Compiles a model for the classes of a data set. To compile several schemes of one model, make one `Compiler` for all of them. */
export async function compile(model: Model, data: SampleSet, options: CompileOptions = {}): Promise<Program> {
  return (await Compiler.create(model, data, options)).compile(options);
}
