import sharp, { type Sharp } from 'sharp';
import { readWhole } from '../../files.js';
import { isBmp, readBmp } from './bmp.js';
import { isNetpbm, readNetpbm } from './netpbm.js';
import type { Raster } from './raster.js';
import { type DumpSize, isRgb565, readRgb565 } from './rgb565.js';
import { mayBeSvg, refusalOf } from './svg.js';

/** The source of an image: a file, or its bytes. */
export type ImageSource = string | Uint8Array;

/** Most bytes of an image's file. */
const MOST_BYTES = 2 ** 28;
/** Most pixels of an image: twice those of the largest cameras of phones. */
const MOST_PIXELS = 4e8;
/** Seconds for one image. */
const MOST_SECONDS = 60;

/** Opens an image as often as it is needed. */
export type Opener = () => Sharp;

const heicBrands = ['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'mif1', 'msf1'];

/** Whether a file is in HEIC: the same container as AVIF, with pictures in HEVC. */
function isHeic(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.subarray(4, 12)).toString('latin1');
  if (!text.startsWith('ftyp') || !heicBrands.includes(text.slice(4))) return false;
  return !Buffer.from(bytes.subarray(16, 64)).includes('avif');
}

async function bytesOf(source: ImageSource): Promise<Uint8Array> {
  if (typeof source !== 'string') return source;
  return readWhole(source, MOST_BYTES);
}

function fromRaster({ data, width, height, channels }: Raster): Opener {
  return () => sharp(data, { raw: { width, height, channels: channels as 1 | 3 | 4 } });
}

/**
 * Reads an image's file and finds out what it is: by its content, and RGB565, which has no mark, by its name; `dump` is the size that one is likely to have. Throws an error whose message says what is
 * wrong with the file.
 */
export async function openImage(source: ImageSource, name: string, dump: DumpSize): Promise<Opener> {
  const bytes = await bytesOf(source);
  if (bytes.length === 0) throw new Error('the file is empty');
  if (isRgb565(name)) return fromRaster(readRgb565(bytes, name, dump));
  if (isBmp(bytes)) return fromRaster(readBmp(bytes));
  if (isNetpbm(bytes)) return fromRaster(readNetpbm(bytes));
  if (isHeic(bytes)) throw new Error('a photograph in HEIC, which cannot be read here; save it as JPEG');
  // The first page of an animation or document, rotated according to EXIF; any sign of damage is an error.
  const options = { pages: 1, failOn: 'warning', limitInputPixels: MOST_PIXELS } as const;
  const open = () => sharp(bytes, options).autoOrient().timeout({ seconds: MOST_SECONDS });
  if (mayBeSvg(bytes)) {
    const { format, width, height } = await open().metadata();
    const refusal = format === 'svg' ? refusalOf(bytes, width * height) : undefined;
    if (refusal !== undefined) throw new Error(refusal);
  }
  return open;
}
