import type { View } from '../data/images/input.js';
import type { RawSeries } from '../data/series/front.js';
import type { MemoryTable } from '../program/memory.js';
import type { ProgramRecord } from '../program/record.js';
import type { EmitBoard } from './board.js';

/** Content of the constants, parallel to the record's, and of the initial state. */
export interface ProgramData {
  readonly consts: readonly ArrayLike<number>[];
  readonly initialState: Uint8Array;
}

/** The inputs of a firmware project. Nothing else affects any of its bytes. */
export interface EmitInput {
  readonly record: ProgramRecord;
  readonly data: ProgramData;
  /** The memory planned for the target. */
  readonly memory: MemoryTable;
  /** The int8 value of each pixel value, one table per channel. */
  readonly pixelTables: readonly Int8Array[];
  readonly classNames: readonly string[];
  /** The window of a camera's frame that became a sample, if the samples were frames. */
  readonly view?: View | undefined;
  /** How raw values become a sample, where samples are series. */
  readonly series?: RawSeries | undefined;
  /** The board that `make` builds for unless told otherwise. */
  readonly target: string;
  /** The boards for which it can be built, including the target. */
  readonly boards: readonly EmitBoard[];
  /** The package's version. */
  readonly version: string;
  /** Sources that are copied unchanged, by path: `kernels/tt_conv.c`, `board/stm32f746/board.c`. */
  readonly sources: ReadonlyMap<string, string>;
  /** Those of `kernels/*.c` that the Program needs. */
  readonly kernelFiles: readonly string[];
  /** Compiler options for the kernels. */
  readonly kernelFlags: string;
  /** Whether what was learned is kept in flash, in the store of each board. */
  readonly store: boolean;
  /** Training steps after which it is saved, unless the build says otherwise; 0, the default, only when the firmware is asked to. */
  readonly saveEvery?: number | undefined;
  /** What the names of the model begin with: `tt`, unless several models are to fit into one image. */
  readonly prefix?: string | undefined;
  /** Whether the clock is read before each step, to calibrate costs: the project is then not a firmware. */
  readonly marks?: boolean | undefined;
}

/** Whether a camera's frame can be a sample. */
export function takesImages({ record, pixelTables }: Pick<EmitInput, 'record' | 'pixelTables'>): boolean {
  const [height, width, channels] = record.input.shape;
  return pixelTables.length > 0 && height > 1 && width > 1 && (channels === 1 || channels === 3);
}

/** Whether the firmware has a second application, which sees, learns and remembers by itself. */
export function hasProduct(input: Pick<EmitInput, 'record' | 'pixelTables' | 'store' | 'marks'>): boolean {
  return input.store && !input.marks && takesImages(input);
}
