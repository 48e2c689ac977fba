import type { Front } from '../../options.js';

/** A recording: rows one after another in time. */
export interface Table {
  readonly rows: number;
  /** Values of a row. */
  readonly rowLength: number;
  /** The values of a row belong to these columns in turn; all values of a column are of the same kind. */
  readonly columns: number;
  readonly values: Float64Array;
  /** Rows a second, if the recording says it. */
  readonly rate?: number | undefined;
  /** The value that is the loudest of a sound; 32768 if omitted. */
  readonly full?: number | undefined;
}

/** How recordings are cut. */
export interface Cutting {
  readonly window?: number | undefined;
  readonly hop?: number | undefined;
  /** How sounds become spectrograms. */
  readonly front?: Front | undefined;
}
