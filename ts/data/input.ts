import { TinytrainError } from '../errors.js';

/** How an image becomes a model's input. */
export interface InputFormat {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** 3 (red, green, blue) or 1 (grey). */
  readonly channels: number;
  /** The int8 value of each of the 256 values of a pixel, one table a channel. */
  readonly tables: readonly Int8Array[];
}

/** What happens to an image that has not the input's size. */
export type ResizePolicy = 'stretch' | 'cover' | 'contain';

/** All resize policies: the shape is filled by stretching, by cutting off what stands out, or by adding bars. */
export const resizePolicies: readonly ResizePolicy[] = ['stretch', 'cover', 'contain'];

/** Elements of one input. */
export function inputLength(input: InputFormat): number {
  return input.height * input.width * input.channels;
}

/** The int8 values of interleaved 8-bit channels. */
export function quantised(values: Uint8Array, { channels, tables }: InputFormat): Int8Array {
  const result = new Int8Array(values.length);
  for (let c = 0; c < channels; c++) {
    const table = tables[c] ?? new Int8Array(256);
    for (let i = c; i < values.length; i += channels) result[i] = table[values[i] ?? 0] ?? 0;
  }
  return result;
}

/** How many of these tables firmware needs in flash: none for `pixel - 128`, one where all channels have the same. */
export function pixelTableCount(tables: readonly Int8Array[]): number {
  const first = tables[0];
  if (!first || tables.every(table => table.every((q, pixel) => q === pixel - 128))) return 0;
  return tables.every(table => table.every((q, pixel) => q === first[pixel])) ? 1 : tables.length;
}

/** Refuses an input that no image can be turned into. */
export function checkImageInput(input: InputFormat): void {
  if (input.channels !== 1 && input.channels !== 3) {
    throw new TinytrainError(
      'INPUT_NO_IMAGE',
      `the model takes ${input.channels} channels; an image has 3 (colour) or 1 (grey)`,
      { channels: input.channels },
    );
  }
}
