import type { MemoryTable } from '../program/memory.js';
import type { ProgramRecord } from '../program/record.js';

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
  /** Bytes of stack for the linker to reserve. */
  readonly stack: number;
  /** The int8 value of each value of a pixel, one table a channel. */
  readonly pixelTables: readonly Int8Array[];
  readonly classNames: readonly string[];
  /** The board that `make` builds for unless told otherwise. */
  readonly target: string;
  /** What the Program was compiled from, for the manifest. */
  readonly origin: Readonly<Record<string, unknown>>;
  /** The package's version. */
  readonly version: string;
  /** Sources that are copied as they are, by path: `kernels/tt_conv.c`, `board/stm32f746/board.c`. */
  readonly sources: ReadonlyMap<string, string>;
  /** Options of the compiler for the kernels. */
  readonly kernelFlags: string;
  /** Whether the clock is read before each step, to calibrate costs: the project is then no firmware. */
  readonly marks?: boolean | undefined;
}

/** Numbers of a kernel's parameters by name. */
export type Fields = Readonly<Record<string, number>>;

/** A positive real, `m * 2^(e - 31)`. */
export interface Real31 {
  readonly m: number;
  readonly e: number;
}

/** The parameters that kernels of a record may have; `p` and `u` have the fields of the C structs. */
export interface KernelFields {
  readonly name: string;
  readonly depthwise?: boolean;
  readonly p?: Fields;
  readonly u?: Fields;
  readonly shift?: number;
  readonly pixels?: number;
  readonly channels?: number;
  readonly classes?: number;
  readonly layer?: Real31;
  readonly scale?: { readonly cap: number; readonly pre: number; readonly m: number; readonly s: number };
  readonly weight_q?: Real31;
  readonly bias_q?: Real31;
}
