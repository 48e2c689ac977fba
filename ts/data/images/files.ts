import { availableParallelism } from 'node:os';
import { Dataset } from '../dataset.js';
import { type InputFormat, inputLength } from '../input.js';
import { eachParallel, type WorkOptions } from '../pool.js';
import { decodeImage } from './decode.js';
import { checkImageInput, type Fitting } from './input.js';
import type { ImageSource } from './open.js';

/** Reads single images as samples without a class (their labels are 0). Throws `INPUT_NO_IMAGE`, `IMAGE_CORRUPT`, `ABORTED`. */
export async function imageSamples(
  images: readonly ImageSource[],
  input: InputFormat,
  fitting: Fitting,
  { signal }: WorkOptions = {},
): Promise<Dataset> {
  checkImageInput(input);
  const length = inputLength(input);
  const samples = new Int8Array(images.length * length);
  const names = images.map((image, i) => (typeof image === 'string' ? image : `image ${i}`));
  const decode = async (i: number): Promise<void> => {
    samples.set(await decodeImage(images[i] ?? '', input, fitting, names[i]), i * length);
  };
  await eachParallel(images.length, availableParallelism(), decode, { signal });
  return Dataset.from(samples, new Uint16Array(images.length), input, names);
}
