import { Dataset } from '../data/dataset.js';
import { inputLength } from '../data/input.js';
import type { Model } from '../model/model.js';
import { compile } from '../program/compiler.js';
import { Random } from '../random.js';
import { train } from './train.js';

/** Something that every machine computes alike, and whether this one did. */
export interface Computed {
  /** What was computed. */
  readonly what: string;
  /** The first 16 digits of its SHA-256. */
  readonly checksum: string;
  /** Those that were computed where this version was made. */
  readonly expected: string;
  /** Whether the two are equal. */
  readonly equal: boolean;
}

/** A sparse update of the default model: all kinds of trainable state. */
const SCHEME = 'bias:21,11:1,12:1,14:1,15:1,17:1,18:1';
const STEPS = 100;
const SAMPLES = 40;
const CLASSES = 10;

/** Digits of a checksum that are shown. */
export const digits = 16;

/** A checksum beside the one that was expected. */
export function compared(what: string, expected: string, checksum: string): Computed {
  return { what, checksum, expected, equal: checksum === expected };
}

/** Trains the default model for some steps on samples of noise, which depend on no library, and compares the state with that of all other machines. */
export async function trainedAlike(model: Model): Promise<Computed> {
  const random = new Random(6);
  const values = Int8Array.from({ length: SAMPLES * inputLength(model.input) }, () => random.whole(-128, 127));
  const labels = Array.from({ length: SAMPLES }, (_, i) => i % CLASSES);
  const samples = Dataset.from(values, labels, model.input);
  const classes = Array.from({ length: CLASSES }, (_, i) => `class ${i}`);
  const data = { source: 'noise', classes, hash: '', train: samples, test: samples, skipped: [] };
  const program = await compile(model, data, { scheme: SCHEME });
  const { checksum } = await train(program, data, { steps: STEPS, lr: 0.0016 });
  return compared(`${STEPS} training steps`, 'cf69a099ae94855a', checksum.slice(0, digits));
}
