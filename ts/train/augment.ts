import { check, flag, type Kind } from '../kinds.js';
import type { Augmentation } from '../options.js';
import type { Program } from '../program/program.js';
import type { TrainPlan } from './types.js';

const never: Kind<boolean> = { ...flag, expected: 'false: series are not mirrored', is: value => value === false };

/** The augmentation of a plan, with defaults for omitted options. Throws `OPTION_INVALID` where series are to be mirrored. */
export function augmentationOf(options: Augmentation | undefined, { input }: Program): TrainPlan['augment'] {
  const { flip = false, shift = 0, noise = 0 } = options ?? {};
  if (input.units) check('augment.flip', never, flip);
  return { flip, shift, noise };
}

/** Whether it leaves samples as they are. */
export function isOff({ flip, shift, noise }: TrainPlan['augment']): boolean {
  return !flip && shift === 0 && noise === 0;
}

/** The augmentation of a plan in the terms of training steps: noise in 1/256 of a step of int8, and the number of values in a row of a series. */
export function augmentInSteps(
  { flip, shift, noise }: TrainPlan['augment'],
  { input }: Program,
): { flip: boolean; shift: number; noise: number; row: number } {
  return { flip, shift, noise: Math.round(256 * noise), row: input.units?.length ?? 0 };
}
