/**
 * The default data set: ten kinds of tools and machine parts, drawn by our own code. Every image is a function of
 * (seed, split, class, index), so any of them can be drawn alone and in any order.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { Random } from '../../random.js';
import { eachParallel } from '../pool.js';
import { photograph } from './pixels.js';
import { scene } from './scene.js';
import { tools } from './tools.js';

export interface DrawnOptions {
  seed?: number;
  trainPerClass?: number;
  testPerClass?: number;
  size?: number;
}

export type DrawnSplit = 'train' | 'validation' | 'test';

export const drawnDefaults: Required<DrawnOptions> = { seed: 1, trainPerClass: 100, testPerClass: 50, size: 64 };

export const drawnClasses: readonly string[] = tools.map(([name]) => name);

const splits: readonly DrawnSplit[] = ['train', 'validation', 'test'];

/** Images in work at a time: librsvg renders on sharp's threads while JavaScript photographs others. */
const CONCURRENT = 8;

/** One image: raw RGB bytes, size * size * 3, deterministic in (seed, split, class, index). */
export async function drawImage(
  cls: number,
  split: DrawnSplit,
  index: number,
  options: DrawnOptions = {},
): Promise<Uint8Array> {
  const { seed, size } = { ...drawnDefaults, ...options };
  const tool = tools[cls];
  if (tool === undefined) throw new RangeError(`class ${cls} is not one of 0 to ${tools.length - 1}`);
  const random = new Random(seed, splits.indexOf(split), cls, index);
  const svg = Buffer.from(scene(random, tool[1], size));
  const rgb = await sharp(svg).removeAlpha().raw().toBuffer();
  return photograph(new Float32Array(rgb), size, random);
}

/** Writes the data set as PNG files, `dir/train/<class>/0000.png` and `dir/test/...`. */
export async function writeDrawn(dir: string, options: DrawnOptions = {}): Promise<void> {
  const all = { ...drawnDefaults, ...options };
  for (const [split, perClass] of [
    ['train', all.trainPerClass],
    ['test', all.testPerClass],
  ] as const) {
    await Promise.all(drawnClasses.map(name => mkdir(join(dir, split, name), { recursive: true })));
    await eachParallel(perClass * drawnClasses.length, CONCURRENT, async i => {
      const [cls, index] = [Math.floor(i / perClass), i % perClass];
      const raw = { width: all.size, height: all.size, channels: 3 } as const;
      const png = await sharp(await drawImage(cls, split, index, all), { raw })
        .png()
        .toBuffer();
      await writeFile(join(dir, split, drawnClasses[cls] ?? '', `${String(index).padStart(4, '0')}.png`), png);
    });
  }
}
