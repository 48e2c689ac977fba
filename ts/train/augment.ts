import { check, flag, type Kind, real } from '../kinds.js';
import type { NativeAugmentation } from '../native.js';
import type { Augmentation } from '../options.js';
import type { Program } from '../program/program.js';
import type { TrainPlan } from './types.js';

const never: Kind<boolean> = { ...flag, expected: 'false: series are not mirrored', is: value => value === false };
const none: Kind<number> = { ...real({ from: 0, to: 0 }), expected: '0: series have no pixels' };

/** The augmentation of a plan, with defaults for omitted options. Throws `OPTION_INVALID` for series with what only images can have. */
export function augmentationOf(options: Augmentation | undefined, { input }: Program): TrainPlan['augment'] {
  const { flip = false, shift = 0, noise = 0, crop = 0, jitter = 0 } = options ?? {};
  if (input.units) {
    check('augment.flip', never, flip);
    check('augment.crop', none, crop);
    check('augment.jitter', none, jitter);
  }
  return { flip, shift, noise, crop, jitter };
}

/** Whether it leaves samples as they are. */
export function isOff({ flip, shift, noise, crop, jitter }: TrainPlan['augment']): boolean {
  return !flip && [shift, noise, crop, jitter].every(size => size === 0);
}

/** The augmentation of a plan in the terms of training steps: noise in 1/256 of a step of int8, shares in 1/65536, the number of values in a row of a series. */
export function augmentInSteps(
  { flip, shift, noise, crop, jitter }: TrainPlan['augment'],
  { input }: Program,
): NativeAugmentation {
  // A share above 0 is not turned off by rounding.
  const fraction = (share: number) => Math.ceil(65536 * share);
  const tables = new Int8Array(256 * input.tables.length);
  for (const [i, table] of input.tables.entries()) tables.set(table, 256 * i);
  const row = input.units?.length ?? 0;
  return { flip, shift, noise: Math.round(256 * noise), row, crop: fraction(crop), jitter: fraction(jitter), tables };
}
