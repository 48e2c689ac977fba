import { createHash } from 'node:crypto';
import sharp from 'sharp';
import type { TinytrainError } from '../../errors.js';
import { options as all, checkOptions, optionTable } from '../../options.js';
import type { SampleSet } from '../dataset.js';
import { checkImageInput } from '../images/input.js';
import { center, greyOf } from '../images/raster.js';
import { type InputFormat, quantised } from '../input.js';
import type { DrawnOrigin } from '../origin.js';
import { checkReading, readSamples } from '../read.js';
import type { Listed, ReadOptions, SampleSource } from '../source.js';
import type { Split } from '../split.js';
import { drawImage, drawnClasses } from './draw.js';

/** Incremented when drawing changes, so that images cached by an older version are not reused. */
const DRAWER = 1;

/** A selection of drawn images. */
export interface DrawnOptions {
  /** Seed of all images; 1 by default. */
  readonly seed?: number | undefined;
  /** Training images per class; 100 by default. */
  readonly trainPerClass?: number | undefined;
  /** Test images per class; 50 by default. */
  readonly testPerClass?: number | undefined;
}

/** Their table. */
export const drawnOptions = optionTable<DrawnOptions>({
  seed: all.seed,
  trainPerClass: all.perClass,
  testPerClass: all.perClass,
});

/** A selection of drawn images, and options for reading them. */
export interface DefaultImageOptions extends DrawnOptions, ReadOptions {}

/** A split; classes alternate, so that any first part of it is balanced. */
export function listed(name: string, perClass: number, classes: readonly string[]): Listed[] {
  const count = classes.length;
  return Array.from({ length: perClass * count }, (_, i) => ({
    name: `drawn ${name} ${classes[i % count]} ${Math.floor(i / count)}`,
    label: i % count,
  }));
}

function keyOf(input: InputFormat, origin: DrawnOrigin): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([DRAWER, sharp.versions, input.height, input.width, input.channels, origin]));
  for (const table of input.tables) hash.update(table);
  return hash.digest('hex');
}

/** The drawn images as a source of samples. Nothing is drawn yet. */
export function drawnImages(options: DrawnOptions = {}): SampleSource {
  checkOptions(drawnOptions, options);
  const { seed = 1, trainPerClass = 100, testPerClass = 50 } = options;
  const origin: DrawnOrigin = { kind: 'drawn', seed, trainPerClass, testPerClass };
  const source = {
    name: `default (drawn, seed ${seed})`,
    origin,
    classes: drawnClasses,
    parts: { train: listed('train', trainPerClass, drawnClasses), test: listed('test', testPerClass, drawnClasses) },
  };
  return {
    ...source,
    async read(input, how = {}) {
      checkReading(how);
      checkImageInput(input);
      const size = Math.max(input.height, input.width);
      const make = async (split: Split, place: number): Promise<Int8Array> => {
        const [label, index] = [place % drawnClasses.length, Math.floor(place / drawnClasses.length)];
        const data = await drawImage(label, split, index, { seed, size });
        const shaped = center({ width: size, height: size, channels: 3, data }, input.width, input.height, 128);
        return quantised((input.channels === 1 ? greyOf(shaped) : shaped).data, input);
      };
      const isBad = (_: unknown): _ is TinytrainError => false;
      return readSamples({ source, key: keyOf(input, origin), skipBad: false, make, isBad }, input, how);
    },
  };
}

/** The drawn data set that is used if no folder is given, in a model's input size. Throws `INPUT_NO_IMAGE`, `ABORTED`. */
export async function defaultImages(input: InputFormat, options: DefaultImageOptions = {}): Promise<SampleSet> {
  return drawnImages(options).read(input, options);
}
