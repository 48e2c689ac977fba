import type { resizePolicies } from '../../defaults.js';
import { TinytrainError } from '../../errors.js';
import { percent } from '../../format.js';
import type { Crop, FrameSize } from '../../options.js';
import type { InputFormat } from '../input.js';

/** How an image of another size is fitted to the input. */
export type ResizePolicy = (typeof resizePolicies)[number];

/** How images become samples. */
export interface Fitting {
  /** How those of another size are fitted to the input; `stretch` by default, bilinear with antialiasing. */
  readonly resize?: ResizePolicy | undefined;
  /** They are frames of a camera, all of this size, and become samples in integers, as on a device. `resize` is then `stretch` or `cover`. */
  readonly camera?: FrameSize | undefined;
  /** The part of a frame that is used; all of it by default. */
  readonly crop?: Crop | undefined;
}

/** A camera's frame, and the window of it that becomes a sample; in pixels. */
export interface View {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly top: number;
  readonly columns: number;
  readonly rows: number;
}

/** Largest share of pixel values that a normalisation may take out of the model's range. */
const MOST_CLIPPED = 0.05;

/** Throws `INPUT_NO_IMAGE` for an input that no image can fill, `INPUT_CLIPPED` for a normalisation that most pixels do not survive. */
export function checkImageInput({ height, width, channels, clipped = 0 }: InputFormat): void {
  if (channels !== 1 && channels !== 3) {
    throw new TinytrainError(
      'INPUT_NO_IMAGE',
      `the model takes ${channels} channels; an image has 3 (colour) or 1 (grey)`,
      { channels },
    );
  }
  if (height === 1 || width === 1) {
    const what = height === width && channels === 1 ? 'a single number' : 'a row of numbers';
    throw new TinytrainError(
      'INPUT_NO_IMAGE',
      `the model takes ${height}x${width}x${channels}: ${what}, not an image`,
      {
        shape: [height, width, channels],
        help: ['other samples than images: a folder of .npy, .csv or .wav files, see docs/data.md'],
      },
    );
  }
  if (clipped <= MOST_CLIPPED) return;
  throw new TinytrainError(
    'INPUT_CLIPPED',
    `the normalisation clips ${percent(clipped)} of all pixel values: they lie outside of what the model's input can hold`,
    {
      clipped,
      help: [
        'real = (pixel - mean) / std, in pixel values from 0 to 255: --mean and --std, or neither to have them guessed',
      ],
    },
  );
}
