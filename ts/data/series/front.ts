import type { ColumnScale } from '../input.js';

/** A front end of sounds as firmware has it: `series/tt_NAME.c`, with the sizes and the tables that it asks for. */
export interface FrontTables {
  readonly name: 'mel' | 'micro';
  /** `TT_MEL_NAME` and so on: the name, its value, and what it is. */
  readonly sizes: readonly (readonly [name: string, value: number, what: string])[];
  readonly tables: readonly FrontTable[];
  /** Bytes of SRAM of its state (the file in C asserts it), and of constants in flash beside the tables. */
  readonly sram: number;
  readonly constants: number;
}

/** A table of constants, of `length` elements in terms of the sizes. */
export interface FrontTable {
  readonly name: string;
  readonly length: string;
  readonly values: Int16Array | Int32Array | Uint16Array;
}

/** How raw values become a sample: what becomes of each column, and which rows of a recording a window has. */
export interface RawSeries {
  readonly columns: readonly ColumnScale[];
  /** Rows of a window, and from one to the next. */
  readonly window: number;
  readonly hop: number;
  /** How a sound becomes rows. */
  readonly front?: FrontTables | undefined;
}

/** Bytes of a `tt_series` beside the rows of a window, and of a `tt_column`. */
const SERIES = 12;
const COLUMN = 16;

/** Bytes that raw values take in memory beside the network, where the application takes them: ring of a window and front end in SRAM, tables in flash. */
export function rawBytes({ columns, front }: RawSeries, inputBytes: number) {
  const tables = front?.tables.reduce((sum, { values }) => sum + values.byteLength, 0) ?? 0;
  return {
    ring: SERIES + Math.ceil(inputBytes / 4) * 4,
    front: front?.sram ?? 0,
    tables: COLUMN * columns.length + tables + (front?.constants ?? 0),
  };
}
