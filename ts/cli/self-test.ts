import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { Dataset } from '../data/dataset.js';
import { defaultImages } from '../data/drawn/set.js';
import { decodeImage } from '../data/images/decode.js';
import { inputLength } from '../data/input.js';
import { loadModel, type Model } from '../model/model.js';
import { compile } from '../program/compiler.js';
import { Random } from '../random.js';
import { train } from '../train/train.js';

/** Whether this machine computes what all others do. */
export interface SelfTest {
  /** What was computed. */
  readonly what: string;
  /** The first 16 digits of its SHA-256. */
  readonly checksum: string;
  /** Those that were computed where this version was made. */
  readonly expected: string;
  /** Whether the two are equal. */
  readonly equal: boolean;
  /** Whether another version of the image library may change it; everything else is fixed to the bit. */
  readonly byLibrary: boolean;
}

/** A sparse update of the default model: all kinds of trainable state. */
const SCHEME = 'bias:21,11:1,12:1,14:1,15:1,17:1,18:1';
const STEPS = 100;
const SAMPLES = 40;
const CLASSES = 10;
/** Rows and columns of the image that is decoded: another size than the model's, so that it is reduced. */
const SIDE = 150;

const digits = 16;

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, digits);
}

/** Pixels that no encoder finds a pattern in but that are no noise either. */
function pixels(): Uint8Array {
  const random = new Random(5);
  return Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => (i + (random.bits() & 31)) & 255);
}

/** SHA-256 of the trainable state after some steps on samples of noise, which depend on no library. */
async function training(model: Model): Promise<string> {
  const random = new Random(6);
  const values = Int8Array.from({ length: SAMPLES * inputLength(model.input) }, () => random.whole(-128, 127));
  const labels = Array.from({ length: SAMPLES }, (_, i) => i % CLASSES);
  const samples = Dataset.from(values, labels, model.input);
  const classes = Array.from({ length: CLASSES }, (_, i) => `class ${i}`);
  const data = { source: 'noise', classes, hash: '', train: samples, test: samples, skipped: [] };
  const program = await compile(model, data, { scheme: SCHEME });
  return (await train(program, data, { steps: STEPS, lr: 0.0016 })).checksum.slice(0, digits);
}

async function decoded(model: Model, format: 'png' | 'jpeg'): Promise<string> {
  const image = sharp(pixels(), { raw: { width: SIDE, height: SIDE, channels: 3 } }).toFormat(format);
  const values = await decodeImage(await image.toBuffer(), model.input, {}, format);
  return sha256(new Uint8Array(values.buffer, values.byteOffset, values.length));
}

/** Computes what every machine must compute alike, and compares it with what it was where this version was made; takes a few seconds. */
export async function selfTest(): Promise<readonly SelfTest[]> {
  const model = await loadModel();
  const of = (what: string, expected: string, checksum: string, byLibrary = true): SelfTest => ({
    what,
    checksum,
    expected,
    equal: checksum === expected,
    byLibrary,
  });
  const drawn = await defaultImages(model.input, { trainPerClass: 2, testPerClass: 1 });
  return [
    of(`${STEPS} training steps`, 'cf69a099ae94855a', await training(model), false),
    of('drawn images', '4dffa9d5bb1fded8', drawn.hash.slice(0, digits)),
    of('a decoded PNG', '2fe5dc5f566e8b28', await decoded(model, 'png')),
    of('a decoded JPEG', '974c7bf9ecf369de', await decoded(model, 'jpeg')),
  ];
}
