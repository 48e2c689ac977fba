import type { InputFormat } from '#tinytrain';

/** An input whose int8 values are the pixels less 128. */
export function plainInput(height: number, width = height, channels = 3): InputFormat {
  const table = Int8Array.from({ length: 256 }, (_, i) => i - 128);
  return { height, width, channels, tables: Array.from({ length: channels }, () => table) };
}

/** The pixels behind int8 values. */
export function pixels(image: Int8Array): number[] {
  return Array.from(image, value => value + 128);
}
