import { TinytrainError } from '../../errors.js';
import type { InputFormat } from '../input.js';

/** How an image of another size is fitted to the input. */
export type ResizePolicy = 'stretch' | 'cover' | 'contain';

/** All resize policies: stretching, cropping the excess, or adding bars. */
export const resizePolicies: readonly ResizePolicy[] = ['stretch', 'cover', 'contain'];

/** Throws `INPUT_NO_IMAGE` for an input that no image can fill. */
export function checkImageInput(input: Pick<InputFormat, 'channels'>): void {
  if (input.channels !== 1 && input.channels !== 3) {
    throw new TinytrainError(
      'INPUT_NO_IMAGE',
      `the model takes ${input.channels} channels; an image has 3 (colour) or 1 (grey)`,
      { channels: input.channels },
    );
  }
}
