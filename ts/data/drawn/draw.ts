/**
 * The default data set: ten kinds of tools and machine parts, drawn by our own code. Every image depends only on
 * (seed, split, class, index), so any of them can be drawn alone and in any order.
 */
import sharp from 'sharp';
import { Random } from '../../random.js';
import { type Split, splits } from '../split.js';
import { photograph } from './pixels.js';
import { scene } from './scene.js';
import { tools } from './tools.js';

/** Names of the classes. */
export const drawnClasses: readonly string[] = tools.map(([name]) => name);

/** One image: `size` rows of `size` RGB pixels, three bytes each; it depends only on (seed, split, class, index). */
export async function drawImage(
  cls: number,
  split: Split,
  index: number,
  { seed, size }: { readonly seed: number; readonly size: number },
): Promise<Uint8Array> {
  const tool = tools[cls];
  if (tool === undefined) throw new RangeError(`class ${cls} is not one of 0 to ${tools.length - 1}`);
  const random = new Random(seed, splits.indexOf(split), cls, index);
  const svg = Buffer.from(scene(random, tool[1], size));
  const rgb = await sharp(svg).removeAlpha().raw().toBuffer();
  return photograph(new Float32Array(rgb), size, random);
}
