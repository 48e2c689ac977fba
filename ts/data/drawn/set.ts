import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Dataset, type SampleSet } from '../dataset.js';
import { center, greyOf } from '../images/resample.js';
import { checkImageInput, type InputFormat, inputLength, quantised } from '../input.js';
import { eachParallel, type WorkOptions } from '../pool.js';
import { drawImage, drawnClasses, drawnDefaults } from './draw.js';

/** Which drawn images. */
export interface DefaultImageOptions extends WorkOptions {
  /** Seed of all images; 1 by default. */
  readonly seed?: number | undefined;
  /** Images of a class to learn from. */
  readonly trainPerClass?: number | undefined;
  /** Images of a class to measure on. */
  readonly testPerClass?: number | undefined;
  /** Images drawn at a time; as many as there are cores by default. */
  readonly threads?: number | undefined;
}

/** The drawn data set that is used where no folder is given, at a model's input size. */
export async function defaultImages(input: InputFormat, options: DefaultImageOptions = {}): Promise<SampleSet> {
  checkImageInput(input);
  const seed = options.seed ?? drawnDefaults.seed;
  const { trainPerClass = drawnDefaults.trainPerClass, testPerClass = drawnDefaults.testPerClass } = options;
  const counts = { train: trainPerClass * drawnClasses.length, test: testPerClass * drawnClasses.length };
  const total = counts.train + counts.test;
  const size = Math.max(input.height, input.width);
  const length = inputLength(input);
  const images = new Int8Array(total * length);
  const split = (i: number) => (i < counts.train ? 'train' : 'test');
  const place = (i: number) => (i < counts.train ? i : i - counts.train);
  // Classes take turns, so that any first part of a set is balanced.
  const label = (i: number) => place(i) % drawnClasses.length;
  const draw = async (i: number): Promise<void> => {
    const data = await drawImage(label(i), split(i), Math.floor(place(i) / drawnClasses.length), { seed, size });
    const shaped = center({ width: size, height: size, channels: 3, data }, input.width, input.height, 128);
    images.set(quantised((input.channels === 1 ? greyOf(shaped) : shaped).data, input), i * length);
  };
  await eachParallel(total, options.threads ?? availableParallelism(), draw, options);
  const part = (from: number, to: number, name: string) =>
    Dataset.from(
      images.subarray(from * length, to * length),
      Uint16Array.from({ length: to - from }, (_, i) => label(from + i)),
      input,
      Array.from(
        { length: to - from },
        (_, i) => `drawn ${name} ${drawnClasses[label(from + i)]} ${Math.floor(i / drawnClasses.length)}`,
      ),
    );
  return {
    classes: drawnClasses,
    train: part(0, counts.train, 'train'),
    test: part(counts.train, total, 'test'),
    skipped: [],
    source: `default (drawn, seed ${seed})`,
    origin: { drawn: { seed, trainPerClass, testPerClass } },
    hash: createHash('sha256').update(images).digest('hex'),
  };
}
