import { TinytrainError } from '../../errors.js';
import type { InputFormat } from '../input.js';

/** What happens to an image that has not the input's size. */
export type ResizePolicy = 'stretch' | 'cover' | 'contain';

/** All resize policies: the shape is filled by stretching, by cutting off what stands out, or by adding bars. */
export const resizePolicies: readonly ResizePolicy[] = ['stretch', 'cover', 'contain'];

/** Refuses an input that no image can be turned into: throws `INPUT_NO_IMAGE`. */
export function checkImageInput(input: Pick<InputFormat, 'channels'>): void {
  if (input.channels !== 1 && input.channels !== 3) {
    throw new TinytrainError(
      'INPUT_NO_IMAGE',
      `the model takes ${input.channels} channels; an image has 3 (colour) or 1 (grey)`,
      { channels: input.channels },
    );
  }
}
