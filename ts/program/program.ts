import { pixelTableCount } from '../data/input.js';
import type { ModelInput } from '../model/input.js';
import type { ModelOrigin } from '../model/model.js';
import { call, type Program as Handle, recordOf } from '../native.js';
import { checkLimits, defaultTarget, type Feed, givenLimits, type MemoryLimits, type MemoryTable } from './memory.js';
import type { ProgramRecord } from './record.js';
import { checkState, type TrainedState } from './state.js';

/** Properties of a Program that are not part of its steps. */
export interface ProgramFacts {
  /** The model from which it was compiled. */
  readonly model: ModelOrigin;
  readonly input: ModelInput;
  readonly classes: readonly string[];
  /** The limits that it satisfies. */
  readonly limits: MemoryLimits;
}

/** A compiled Program: the steps that both host and device execute, at fixed places in memory. */
export class Program {
  readonly model: ModelOrigin;
  readonly input: ModelInput;
  readonly classes: readonly string[];
  readonly limits: MemoryLimits;
  /** Seed of the head's initial weights, of calibration and of stochastic rounding. */
  readonly seed: number;
  readonly residualBits: number;
  /** The scheme in canonical form. */
  readonly scheme: string;
  /** SHA-256 over everything that determines its results. */
  readonly hash: string;
  /** Steps, tensors and their places as a plain record. */
  readonly record: ProgramRecord;
  /** @internal */
  readonly handle: Handle;
  #memory: MemoryTable | undefined;
  #family: string | undefined;

  /** @internal */
  constructor(handle: Handle, { model, input, classes, limits }: ProgramFacts) {
    this.handle = handle;
    this.model = model;
    this.input = input;
    this.classes = classes;
    this.limits = limits;
    this.scheme = handle.scheme;
    this.record = recordOf<ProgramRecord>(handle.describe());
    this.hash = this.record.hash;
    this.seed = Number(this.record.seed);
    this.residualBits = this.record.residualBits;
  }

  /** The same Program under other limits. Throws `BUDGET_EXCEEDED` or `BOARD_TOO_SMALL` if it exceeds them, `BOARD_UNKNOWN`. */
  within(limits: MemoryLimits): Program {
    const program = new Program(this.handle, {
      ...this,
      limits: givenLimits({ ...limits, feed: this.feed, replay: this.replay }),
    });
    checkLimits(program.memory, program.limits);
    return program;
  }

  /** How samples come in. */
  get feed(): Feed {
    return this.record.input.offset === null ? 'rows' : 'whole';
  }

  /** Samples for which its replay buffer has a place; 0 without one. */
  get replay(): number {
    return this.record.replay?.places ?? 0;
  }

  /** Its memory table on the board for which it was compiled. Throws `BOARD_UNKNOWN` if the folder of that board is gone. */
  get memory(): MemoryTable {
    this.#memory ??= this.memoryOn(this.limits.target ?? defaultTarget);
    return this.#memory;
  }

  /**
   * Its memory on a board, item by item, with the store that its limits ask for. Throws `BOARD_UNKNOWN` for an unknown board, `STORE_NONE` for one without a
   * store, `STORE_TOO_SMALL` where a saved state does not fit a sector.
   */
  memoryOn(target: string): MemoryTable {
    const { store = false } = this.limits;
    return recordOf<MemoryTable>(call(() => this.handle.memory(target, pixelTableCount(this.input.tables), store)));
  }

  /** The C files of the kernels that it needs on a board. @internal */
  kernelFiles(target: string): readonly string[] {
    return call(() => this.handle.kernelFiles(target));
  }

  /** The bytes of a constant of the record, little-endian. Throws `SIZE_MISMATCH` for a constant that does not exist. */
  constant(index: number): Uint8Array {
    return call(() => this.handle.constant(index));
  }

  /** SHA-256 over everything that determines its results except the state at the start: Programs of one family take each other's states. */
  get family(): string {
    this.#family ??= this.handle.family;
    return this.#family;
  }

  /**
   * The same Program starting with what it, or another one of its family, has learned: to be trained on, to predict, to become a firmware. Throws
   * `STATE_DIFFERS` for the state of another Program.
   */
  withState(state: TrainedState): Program {
    checkState(this, state);
    return new Program(
      call(() => this.handle.withState(state.bytes)),
      this,
    );
  }

  /** The initial trainable state. */
  initialState(): Uint8Array {
    return call(() => this.handle.initialState());
  }

  /** The content of the Program file, `program.ttp`: everything except the names of classes and the normalisation of the input. */
  toBytes(): Uint8Array {
    return call(() => this.handle.toBytes());
  }
}
