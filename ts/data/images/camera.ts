import { TinytrainError } from '../../errors.js';
import { call, native } from '../../native.js';
import type { Crop, FrameSize } from '../../options.js';
import type { InputFormat } from '../input.js';
import type { Fitting, View } from './input.js';
import type { Raster } from './raster.js';

type Size = Pick<InputFormat, 'height' | 'width'>;

/** The largest window in the middle of a part of a frame that is as wide for its height as the input. */
function covered({ columns, rows }: FrameSize, { height, width }: Size): FrameSize {
  return columns * height > rows * width
    ? { columns: Math.max(1, Math.floor((rows * width) / height)), rows }
    : { columns, rows: Math.max(1, Math.floor((columns * height) / width)) };
}

const middle = (all: number, part: number): number => Math.floor((all - part) / 2);

/** Throws `OPTION_INVALID` for options of a camera that do not go together; they are checked against no input. */
export function checkFitting({ camera, crop, resize }: Fitting): void {
  if (!camera) {
    if (!crop) return;
    throw new TinytrainError(
      'OPTION_INVALID',
      'crop is a part of a camera’s frame: it needs the size of that, camera',
      {
        option: 'crop',
      },
    );
  }
  if (resize === 'contain') {
    throw new TinytrainError(
      'OPTION_INVALID',
      'frames of a camera get no bars: resize is stretch or cover, not contain',
      {
        option: 'resize',
      },
    );
  }
  viewOf({ camera, crop }, { height: 1, width: 1 });
}

/** The window of a camera's frame that becomes a sample; undefined where images are no frames. Throws `OPTION_INVALID` for a part that reaches beyond it. */
export function viewOf({ camera, crop, resize = 'stretch' }: Fitting, input: Size): View | undefined {
  if (!camera) return undefined;
  const used: Crop = crop ?? camera;
  const { left = middle(camera.columns, used.columns), top = middle(camera.rows, used.rows) } = used;
  if (left < 0 || top < 0 || left + used.columns > camera.columns || top + used.rows > camera.rows) {
    throw new TinytrainError(
      'OPTION_INVALID',
      `crop ${used.columns}x${used.rows}+${left}+${top} reaches beyond the camera’s frame of ${camera.columns}x${camera.rows}`,
      { option: 'crop', value: used },
    );
  }
  const { columns, rows } = resize === 'cover' ? covered(used, input) : used;
  const view = {
    width: camera.columns,
    height: camera.rows,
    left: left + middle(used.columns, columns),
    top: top + middle(used.rows, rows),
    columns,
    rows,
  };
  call(() => native().checkCamera(view));
  return view;
}

/** The sample of a frame, before quantisation. Throws an error whose message says so if it has another size. */
export function sampleOf(frame: Raster, view: View, { height, width, channels }: InputFormat): Raster {
  if (frame.width !== view.width || frame.height !== view.height) {
    const [found, expected] = [`${frame.width}x${frame.height}`, `${view.width}x${view.height}`];
    throw new Error(`it has ${found} pixels, and the camera’s frames have ${expected}`);
  }
  const data = call(() => native().cameraSample(view, frame.data, [height, width, channels]));
  return { width, height, channels, data };
}
