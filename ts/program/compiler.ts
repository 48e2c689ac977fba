import { availableParallelism } from 'node:os';
import type { SampleSet } from '../data/dataset.js';
import { defaultResidualBits } from '../defaults.js';
import type { Model } from '../model/model.js';
import { type Compiler as CompilerHandle, call, native, wait } from '../native.js';
import { checkLimits, type MemoryLimits } from './memory.js';
import { Program } from './program.js';
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

/** A model with a head for some classes, differentiated and calibrated once: Programs of any scheme are compiled from it. */
export class Compiler {
  readonly model: Model;
  readonly classes: readonly string[];
  readonly #handle: CompilerHandle;

  private constructor(handle: CompilerHandle, model: Model, classes: readonly string[]) {
    this.#handle = handle;
    this.model = model;
    this.classes = classes;
  }

  /**
   * Attaches a head for the classes of `data` and calibrates the gradients' exponents on a few of its training samples. Without samples they are
   * not calibrated: that serves to look at the graph and to count bytes, not to train. Throws `UNSUPPORTED` for a model that takes no head.
   */
  static async create(
    model: Model,
    data: Pick<SampleSet, 'classes'> & Partial<Pick<SampleSet, 'train'>>,
    options: Pick<CompileOptions, 'seed' | 'threads'> = {},
  ): Promise<Compiler> {
    const { seed = 0, threads = availableParallelism() } = options;
    const handle = await wait(
      () => native().Compiler.create(model.handle, data.classes.length, seed, threads, data.train?.handle),
      model.path,
    );
    return new Compiler(handle, model, data.classes);
  }

  /** @internal */
  get handle(): CompilerHandle {
    return this.#handle;
  }

  /** Convolutions that a scheme can name. */
  get layers(): number {
    return this.#handle.layers;
  }

  /** The Program of a scheme. Throws `BUDGET_EXCEEDED` or `BOARD_TOO_SMALL` if it does not fit, `SCHEME_INVALID`, `RESIDUAL_BITS`. */
  async compile(options: CompileOptions = {}): Promise<Program> {
    const residualBits = options.residualBits ?? defaultResidualBits;
    const scheme = await schemeText(options.scheme ?? 'head');
    const { budget, flash, target } = options;
    const limits: MemoryLimits = {
      ...(budget !== undefined && { budget }),
      ...(flash !== undefined && { flash }),
      ...(target !== undefined && { target }),
    };
    const handle = await wait(() => this.#handle.compile(scheme, residualBits));
    const { origin, input } = this.model;
    const program = new Program(handle, { model: origin, input, classes: this.classes, limits });
    checkLimits(program.memory, limits);
    return program;
  }

  /** The graph after each pass. */
  async stages(scheme = 'head'): Promise<readonly Stage[]> {
    const text = await schemeText(scheme);
    return call(() => this.#handle.stages(text));
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

/**
 * Refuses what would not fit, before a single sample is read: how many bytes a Program takes depends on the number of classes, not on samples. Throws
 * what `Compiler.compile` throws.
 */
export async function checkFits(model: Model, classes: readonly string[], options: CompileOptions): Promise<void> {
  const { budget, flash, target } = options;
  if (budget === undefined && flash === undefined && target === undefined) return;
  await (await Compiler.create(model, { classes }, options)).compile(options);
}
