import { extname } from 'node:path';
import type { Raster } from './raster.js';

/** The size that a dump is likely to have: of the model's input, or of the camera's frames. */
export interface DumpSize {
  readonly width: number;
  readonly height: number;
}

/** Sizes of cameras, columns by rows: what a dump of so many bytes is where nothing else tells. No two have as many pixels. */
const cameras: readonly (readonly [number, number])[] = [
  [96, 96],
  [128, 128],
  [160, 120],
  [176, 144],
  [240, 176],
  [240, 240],
  [320, 240],
  [352, 288],
  [400, 296],
  [480, 320],
  [640, 480],
  [800, 600],
  [1024, 768],
  [1280, 720],
  [1600, 1200],
];

/** Extensions of dumps, and whether the high byte comes first: as cameras send it, unless the extension says otherwise. */
const extensions: Readonly<Record<string, boolean>> = {
  '.rgb565': true,
  '.rgb565be': true,
  '.rgb565le': false,
};

/** Whether a file is a dump of RGB565 by its name: it has no mark of its own. */
export function isRgb565(name: string): boolean {
  return extname(name).toLowerCase() in extensions;
}

/** Columns and rows: those in the name (`cat-160x120.rgb565`), or the likely ones or those of a camera if the number of bytes fits. */
function sizeOf(name: string, bytes: number, likely: DumpSize): readonly [number, number] {
  const named = /(\d{1,5})x(\d{1,5})(?!.*\dx\d)/.exec(name.split(/[\\/]/).at(-1) ?? '');
  const size = named && ([Number(named[1]), Number(named[2])] as const);
  if (size) {
    const wanted = size[0] * size[1] * 2;
    if (wanted === bytes && wanted > 0) return size;
    throw new Error(`its name says ${size[0]}x${size[1]}, which is ${wanted} bytes of RGB565; it has ${bytes}`);
  }
  const found = [[likely.width, likely.height] as const, ...cameras].find(
    ([width, height]) => width * height * 2 === bytes,
  );
  if (found) return found;
  throw new Error(
    `RGB565 of ${bytes} bytes is of no known size; put columns x rows into its name, such as x-160x120.rgb565`,
  );
}

/** Decodes a raw dump of RGB565, as camera boards write it: 5, 6 and 5 bits a pixel in two bytes. Throws an error whose message says what is wrong. */
export function readRgb565(bytes: Uint8Array, name: string, likely: DumpSize): Raster {
  const [width, height] = sizeOf(name, bytes.length, likely);
  const high = extensions[extname(name).toLowerCase()] ? 0 : 1;
  return { width, height, channels: 3, data: fromRgb565(bytes, high) };
}

/** Red, green and blue in 8 bits of pixels in 5, 6 and 5 bits; `high` is the place of the byte with the red, 0 or 1. */
export function fromRgb565(bytes: Uint8Array, high: 0 | 1 = 0): Uint8Array {
  const data = new Uint8Array((bytes.length / 2) * 3);
  for (let i = 0; i < bytes.length / 2; i++) {
    const pixel = ((bytes[2 * i + high] ?? 0) << 8) | (bytes[2 * i + 1 - high] ?? 0);
    data[3 * i] = Math.round(((pixel >> 11) * 255) / 31);
    data[3 * i + 1] = Math.round((((pixel >> 5) & 63) * 255) / 63);
    data[3 * i + 2] = Math.round(((pixel & 31) * 255) / 31);
  }
  return data;
}

/** Pixels of 8 bits a channel in 5, 6 and 5 bits, the byte with the red first: what they lose is lost. */
export function toRgb565(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array((data.length / 3) * 2);
  for (let i = 0; i < data.length / 3; i++) {
    const [red = 0, green = 0, blue = 0] = data.subarray(3 * i, 3 * i + 3);
    const pixel = ((red >> 3) << 11) | ((green >> 2) << 5) | (blue >> 3);
    bytes[2 * i] = pixel >> 8;
    bytes[2 * i + 1] = pixel & 255;
  }
  return bytes;
}
