import type { Sharp } from 'sharp';
import { messageOf, TinytrainError } from '../../errors.js';
import { type InputFormat, quantised } from '../input.js';
import { sampleOf, viewOf } from './camera.js';
import type { Fitting, ResizePolicy } from './input.js';
import { type ImageSource, type Opener, openImage } from './open.js';
import { center, enlarge, greyOf, type Raster } from './raster.js';

/** Background of transparent images: white, for which most of them are drawn. */
const UNDER_ALPHA = { r: 255, g: 255, b: 255 };
/** Colour of the bars added by `contain`: mid grey, close to the zero point of an input. */
const BARS = 128;

/** The size to which an image is scaled before it is cropped or gets bars; at least 1. */
async function scaledSize(open: Opener, input: InputFormat, policy: ResizePolicy): Promise<[number, number]> {
  if (policy === 'stretch') return [input.width, input.height];
  const { autoOrient } = await open().metadata();
  const [x, y] = [input.width / autoOrient.width, input.height / autoOrient.height];
  const scale = policy === 'cover' ? Math.max(x, y) : Math.min(x, y);
  return [Math.max(1, Math.round(autoOrient.width * scale)), Math.max(1, Math.round(autoOrient.height * scale))];
}

/** Converts to sRGB with 8 bits per channel and no alpha. */
async function plain(image: Sharp): Promise<Raster> {
  const { data, info } = await image
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels, data };
}

/** The same; a side longer than requested is shrunk, nothing is enlarged. */
function reduced(open: Opener, width: number, height: number): Promise<Raster> {
  const how = { fit: 'fill', kernel: 'linear', withoutEnlargement: true, fastShrinkOnLoad: false } as const;
  return plain(open().flatten({ background: UNDER_ALPHA }).resize(width, height, how));
}

async function raster(open: Opener, input: InputFormat, fitting: Fitting): Promise<Raster> {
  const view = viewOf(fitting, input);
  if (view) return sampleOf(await plain(open().flatten({ background: UNDER_ALPHA })), view, input);
  const { resize = 'stretch' } = fitting;
  const [width, height] = await scaledSize(open, input, resize);
  const scaled = enlarge(await reduced(open, width, height), width, height);
  const shaped = center(scaled, input.width, input.height, BARS);
  return input.channels === 1 ? greyOf(shaped) : shaped;
}

/** libvips lists each problem on a line; the last one is the fatal one. */
function complaint(error: unknown): string {
  return messageOf(error).trim().split('\n').at(-1) ?? 'unknown';
}

/** Decodes an image into the model's input. `name` identifies it in errors. Throws `IMAGE_CORRUPT`, also for a frame of another size than the camera's; `OPTION_INVALID`. */
export async function decodeImage(
  source: ImageSource,
  input: InputFormat,
  fitting: Fitting = {},
  name: string = typeof source === 'string' ? source : 'image',
): Promise<Int8Array> {
  let image: Raster;
  try {
    const { camera } = fitting;
    const dump = camera ? { width: camera.columns, height: camera.rows } : input;
    image = await raster(await openImage(source, name, dump), input, fitting);
  } catch (error) {
    throw new TinytrainError(
      'IMAGE_CORRUPT',
      `${name}: not an image that can be decoded: ${complaint(error)}`,
      { path: name, help: ['remove or replace it'] },
      error,
    );
  }
  return quantised(image.data, input);
}
