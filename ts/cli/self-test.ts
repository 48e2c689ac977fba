import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { defaultImages } from '../data/drawn/set.js';
import { decodeImage } from '../data/images/decode.js';
import { loadModel, type Model } from '../model/model.js';
import { Random } from '../random.js';
import { type Computed, compared, digits, trainedAlike } from '../train/alike.js';

/** Whether this machine computes what all others do. */
export interface SelfTest extends Computed {
  /** Whether another version of the image library may change it; everything else is fixed to the bit. */
  readonly byLibrary: boolean;
}

/** Rows and columns of the image that is decoded: another size than the model's, so that it is reduced. */
const SIDE = 150;

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, digits);
}

/** Pixels that no encoder finds a pattern in but that are no noise either. */
function pixels(): Uint8Array {
  const random = new Random(5);
  return Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => (i + (random.bits() & 31)) & 255);
}

async function decoded(model: Model, format: 'png' | 'jpeg'): Promise<string> {
  const image = sharp(pixels(), { raw: { width: SIDE, height: SIDE, channels: 3 } }).toFormat(format);
  const values = await decodeImage(await image.toBuffer(), model.input, {}, format);
  return sha256(new Uint8Array(values.buffer, values.byteOffset, values.length));
}

/** Computes what every machine must compute alike, and compares it with what it was where this version was made; takes a few seconds. */
export async function selfTest(): Promise<readonly SelfTest[]> {
  const model = await loadModel();
  const of = (what: string, expected: string, checksum: string): SelfTest => ({
    ...compared(what, expected, checksum),
    byLibrary: true,
  });
  const drawn = await defaultImages(model.input, { trainPerClass: 2, testPerClass: 1 });
  return [
    { ...(await trainedAlike(model)), byLibrary: false },
    of('drawn images', '4dffa9d5bb1fded8', drawn.hash.slice(0, digits)),
    of('a decoded PNG', '2fe5dc5f566e8b28', await decoded(model, 'png')),
    of('a decoded JPEG', '974c7bf9ecf369de', await decoded(model, 'jpeg')),
  ];
}
