import type { ColumnScale } from '../input.js';

/** What firmware needs of a front end of sounds: its sizes, and its tables; see `mel` of `crates/spec`. */
export interface FrontTables {
  /** Values of a frame. */
  readonly length: number;
  /** Values from one frame to the next. */
  readonly stride: number;
  readonly channels: number;
  /** Of the transform. */
  readonly points: number;
  /** The first line of the spectrum that counts. */
  readonly first: number;
  readonly window: Int32Array;
  readonly cosines: Int32Array;
  readonly ends: Uint16Array;
  readonly weights: Uint16Array;
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

/** Bytes of a `tt_series` beside the rows of a window, and of a `tt_column`; of a `tt_mel` beside points and values, and of its logarithms. */
const SERIES = 12;
const COLUMN = 16;
const MEL = 4;
const LOGARITHMS = 4 * 33;

/** Bytes of SRAM of a `tt_mel` (`tt_mel.c` asserts it), and of its constants in flash beside its code. */
function frontBytes({ length, points, window, cosines, ends, weights }: FrontTables) {
  const tables = window.byteLength + cosines.byteLength + ends.byteLength + weights.byteLength;
  return { sram: MEL + 4 * points + 4 * Math.ceil(length / 2), flash: tables + LOGARITHMS };
}

/** Bytes that raw values take in memory beside the network, where the application takes them: ring of a window and front end in SRAM, tables in flash. */
export function rawBytes({ columns, front }: RawSeries, inputBytes: number) {
  const mel = front && frontBytes(front);
  return {
    ring: SERIES + Math.ceil(inputBytes / 4) * 4,
    front: mel?.sram ?? 0,
    tables: COLUMN * columns.length + (mel?.flash ?? 0),
  };
}
