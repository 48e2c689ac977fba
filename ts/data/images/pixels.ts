import { TinytrainError } from '../../errors.js';
import { type InputFormat, quantised } from '../input.js';
import { checkFitting, sampleOf, viewOf } from './camera.js';
import { checkImageInput, type Fitting } from './input.js';

/** An image as a browser has it, such as an `ImageData`: rows of red, green, blue and alpha. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray | Uint8Array;
}

/**
 * The sample of an image, in integers, as firmware makes it of a camera's frame of this size (docs/camera.md); `crop` and `resize` are those of `Fitting`. Alpha is
 * passed over. Throws `INPUT_NO_IMAGE` for a model that takes no images, `OPTION_INVALID` for a part that reaches beyond the image, `SIZE_MISMATCH` for pixels that
 * are not width times height.
 */
export function pixelSample(
  image: Pixels,
  input: InputFormat,
  { crop, resize }: Pick<Fitting, 'crop' | 'resize'> = {},
): Int8Array {
  checkImageInput(input);
  const { width, height, data } = image;
  const pixels = width * height;
  if (data.length !== 4 * pixels) {
    throw new TinytrainError('SIZE_MISMATCH', `${data.length} bytes for ${width}x${height} pixels of 4 bytes each`, {
      found: data.length,
      expected: 4 * pixels,
    });
  }
  const fitting = { camera: { columns: width, rows: height }, crop, resize };
  checkFitting(fitting);
  const view = viewOf(fitting, input);
  if (!view) throw new TinytrainError('INTERNAL', 'internal: a camera without a view');
  const colours = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) colours.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
  return quantised(sampleOf({ width, height, channels: 3, data: colours }, view, input).data, input);
}
