import type { MemoryTable } from '../program/memory.js';
import type { ProgramRecord } from '../program/record.js';
import type { EmitBoard } from './board.js';

/** Content of the constants, parallel to the record's, and of the initial state. */
export interface ProgramData {
  readonly consts: readonly ArrayLike<number>[];
  readonly initialState: Uint8Array;
}

/** What a firmware project is made from. Nothing else decides a byte of it. */
export interface EmitInput {
  readonly record: ProgramRecord;
  readonly data: ProgramData;
  /** The memory that the plan set aside for the target. */
  readonly memory: MemoryTable;
  /** The int8 value of each value of a pixel, one table a channel. */
  readonly pixelTables: readonly Int8Array[];
  readonly classNames: readonly string[];
  /** The board that `make` builds for unless told otherwise. */
  readonly target: string;
  /** The boards that it can be built for, the target among them. */
  readonly boards: readonly EmitBoard[];
  /** What the Program was compiled from, for the manifest. */
  readonly origin: Readonly<Record<string, unknown>>;
  /** The package's version. */
  readonly version: string;
  /** Sources that are copied as they are, by path: `kernels/tt_conv.c`, `board/stm32f746/board.c`. */
  readonly sources: ReadonlyMap<string, string>;
  /** Those of `kernels/*.c` that the Program needs. */
  readonly kernelFiles: readonly string[];
  /** Options of the compiler for the kernels. */
  readonly kernelFlags: string;
  /** Whether the clock is read before each step, to calibrate costs: the project is then no firmware. */
  readonly marks?: boolean | undefined;
}
