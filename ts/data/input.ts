/** How host and device turn a raw sample of one column into int8: `q = clamp((raw * factor + offset) >> shift)`; see `series` of `crates/spec`. */
export interface ColumnScale {
  /** The value of one step of a raw sample. */
  readonly unit: number;
  readonly factor: number;
  readonly offset: number;
  readonly shift: number;
}

/** The form in which a model takes a sample: bytes of one shape. */
export interface InputFormat {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** Interleaved values per place: for images 3 (red, green, blue) or 1 (grey). */
  readonly channels: number;
  /** The int8 value of each byte that a source or a sensor may yield, one table per channel. */
  readonly tables: readonly Int8Array[];
  /** The share of these bytes that the input's quantisation cannot hold, so that they become -128 or 127; none if omitted. */
  readonly clipped?: number | undefined;
  /** For series in place of the tables: how the raw values of each column become int8. The values of a sample belong to the columns in turn. */
  readonly series?: readonly ColumnScale[] | undefined;
}

/** Number of elements of one input. */
export function inputLength(input: Pick<InputFormat, 'height' | 'width' | 'channels'>): number {
  return input.height * input.width * input.channels;
}

/** Converts interleaved bytes to int8 values, each by the table of its channel. */
export function quantised(values: Uint8Array, { channels, tables }: InputFormat): Int8Array {
  const result = new Int8Array(values.length);
  for (let c = 0; c < channels; c++) {
    const table = tables[Math.min(c, tables.length - 1)] ?? new Int8Array(256);
    for (let i = c; i < values.length; i += channels) result[i] = table[values[i] ?? 0] ?? 0;
  }
  return result;
}

/** Number of these tables that firmware needs in flash: none for `byte - 128`, one if all channels have the same. */
export function pixelTableCount(tables: readonly Int8Array[]): number {
  const first = tables[0];
  if (!first || tables.every(table => table.every((q, pixel) => q === pixel - 128))) return 0;
  return tables.every(table => table.every((q, pixel) => q === first[pixel])) ? 1 : tables.length;
}

/** For each int8 value, from -128 on, the pixel value in the middle of those that become it; of a value that none becomes that of the one below. */
function inverse(table: Int8Array): Uint8Array {
  const [sum, count] = [new Float64Array(256), new Float64Array(256)];
  for (const [pixel, value] of table.entries()) {
    sum[value + 128] = (sum[value + 128] ?? 0) + pixel;
    count[value + 128] = (count[value + 128] ?? 0) + 1;
  }
  let last = 0;
  return Uint8Array.from(sum, (total, i) => {
    const n = count[i] ?? 0;
    if (n > 0) last = Math.round(total / n);
    return last;
  });
}

/** Pixel values that become a sample by the table of each channel. */
export function pixelsOf(sample: Int8Array, tables: readonly Int8Array[]): Uint8Array {
  const inverses = tables.map(inverse);
  return Uint8Array.from(sample, (value, i) => inverses[i % inverses.length]?.[value + 128] ?? 0);
}
