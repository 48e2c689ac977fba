import { absolute, threadCount } from '#host';
import type { SampleSet } from '../data/dataset.js';
import type { Model } from '../model/model.js';
import { type Compiler as CompilerHandle, call, type HeadRow, native, watched } from '../native.js';
import { options as all, checkOptions, object, optionTable } from '../options.js';
import { type HeadChoice, startRows } from './head.js';
import { checkLimits, defaultTarget, givenLimits, type MemoryLimits } from './memory.js';
import { Program } from './program.js';
import { schemeText } from './scheme.js';

/** Options for compiling a Program. */
export interface CompileOptions extends MemoryLimits, HeadChoice {
  /** What to train: `head`, `bias:N`, `full`, the canonical form, or the path of a JSON file; `head` by default. */
  readonly scheme?: string | undefined;
  /** Residual bits of a trained weight: 0, 2, 4 (the default) or 8. */
  readonly residualBits?: number | undefined;
  /** Seed of the head's initial weights, of calibration and of stochastic rounding; 0 by default. */
  readonly seed?: number | undefined;
  /** Number of threads for calibration; one per core by default. */
  readonly threads?: number | undefined;
  /** Stops calibration and planning, which then reject with the code `ABORTED`. */
  readonly signal?: AbortSignal | undefined;
}

/** Options for attaching a head. */
export interface HeadOptions extends Pick<CompileOptions, 'seed' | 'threads' | 'head' | 'map' | 'signal'> {
  /** What each class starts with, in place of what `head` and `map` say; null for one that starts at random. */
  readonly rows?: readonly (HeadRow | null)[] | undefined;
}

const { scheme, residualBits, seed, threads, signal, head, map, budget, flash, target, feed, store, replay } = all;
/** @internal */
export const compileOptions = optionTable<CompileOptions>({
  ...{ scheme, residualBits, seed, threads, signal },
  ...{ head, map, budget, flash, target, feed, store, replay },
});
const rows = object<readonly (HeadRow | null)[]>('what each class starts with', 'a list', Array.isArray);
const headOptions = optionTable<HeadOptions>({ seed, threads, head, map, signal, rows });

/** The graph after a pass. */
export interface Stage {
  readonly name: string;
  readonly text: string;
}

/** A model with a head for some classes, differentiated and calibrated once, from which Programs for any scheme are compiled. */
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
   * not calibrated, which is sufficient for inspecting the graph and counting bytes, but not for training. Throws `UNSUPPORTED` for a model that
   * cannot have a head, `MODEL_TOO_LARGE` for one that takes too much, `OPTION_INVALID`, `HEAD_UNKNOWN` where its own classes are to be kept and are not known.
   */
  static async create(
    model: Model,
    data: Pick<SampleSet, 'classes'> & Partial<Pick<SampleSet, 'train'>>,
    options: HeadOptions = {},
  ): Promise<Compiler> {
    checkOptions(headOptions, options);
    const { seed = all.seed.default, threads = threadCount() } = options;
    model.checkPrice();
    const rows = options.rows ?? startRows(model, data.classes, options);
    const handle = await watched(
      control => native().Compiler.create(model.handle, [...rows], seed, threads, data.train?.handle, control),
      { signal: options.signal },
      model.path,
    );
    return new Compiler(handle, model, data.classes);
  }

  /** @internal */
  get handle(): CompilerHandle {
    return this.#handle;
  }

  /** Number of convolutions that a scheme can refer to. */
  get layers(): number {
    return this.#handle.layers;
  }

  /**
   * Compiles the Program for a scheme. Where it exceeds the budget or the board's SRAM, it runs over rows as far as it must; that changes no
   * bit of a result. Throws `BUDGET_EXCEEDED` or `BOARD_TOO_SMALL` if it still does not fit, `SCHEME_INVALID`, `RESIDUAL_BITS`.
   */
  async compile(options: CompileOptions = {}): Promise<Program> {
    const program = await this.fitted(options);
    checkLimits(program.memory, program.limits);
    return program;
  }

  /** The Program that comes nearest to the limits. @internal */
  async fitted(options: CompileOptions = {}): Promise<Program> {
    checkOptions(compileOptions, options);
    const { residualBits = all.residualBits.default, signal } = options;
    const scheme = await schemeText(options.scheme ?? all.scheme.default);
    const limits = givenLimits(options);
    const { budget, target, store = false, replay: places = all.replay.default } = limits;
    const board = target === undefined ? Number.POSITIVE_INFINITY : call(() => native().board(target)).sram.length;
    const bytes = Math.min(budget ?? Number.POSITIVE_INFINITY, board);
    const limit = Number.isFinite(bytes) ? { target: target ?? defaultTarget, bytes, store } : null;
    const handle = await watched(
      control => this.#handle.compile(scheme, residualBits, null, limit, limits.feed === 'rows', places, control),
      { signal },
    );
    const { origin, input } = this.model;
    return new Program(handle, { model: origin, input, classes: this.classes, limits });
  }

  /** The graph after each pass. */
  async stages(scheme = 'head'): Promise<readonly Stage[]> {
    const text = await schemeText(scheme);
    return call(() => this.#handle.stages(text));
  }
}

/** Names of the supported boards. */
export function targets(): readonly string[] {
  return call(() => native().targetNames());
}

/**
 * A board's name as it holds in any working folder: a shipped one's as it is, a user's as the absolute path of its folder. Throws `BOARD_UNKNOWN`,
 * `BOARD_INVALID`.
 */
export function boardPlace(target: string): string {
  call(() => native().board(target));
  return targets().includes(target) ? target : absolute(target);
}

/** Compiles a model for the classes of a data set. To compile several schemes of one model, create one `Compiler` for all of them. */
export async function compile(model: Model, data: SampleSet, options: CompileOptions = {}): Promise<Program> {
  checkOptions(compileOptions, options);
  return (await Compiler.create(model, data, options)).compile(options);
}

/**
 * Checks that a model can be compiled, and what it becomes fits, before a single sample is read: neither depends on the samples, only on the number of
 * classes. Throws `MODEL_TOO_LARGE` and the errors of `Compiler.compile`.
 */
export async function checkFits(model: Model, classes: readonly string[], options: CompileOptions): Promise<void> {
  checkOptions(compileOptions, options);
  model.checkPrice();
  await (await Compiler.create(model, { classes }, options)).compile(options);
}
