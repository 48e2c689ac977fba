import { createHash } from 'node:crypto';
import { relative, resolve } from 'node:path';
import type { Dataset, SampleSet } from '../data/dataset.js';
import type { Tested } from './types.js';

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function closed(values: ArrayLike<number>): string {
  const bytes = Buffer.from(Uint16Array.from(values).buffer);
  return (LITTLE_ENDIAN ? bytes : bytes.swap16()).toString('base64');
}

/** The numbers of a field of `Tested`. */
export function classesOf(field: string): Uint16Array {
  const bytes = Buffer.from(field, 'base64');
  return Uint16Array.from({ length: bytes.length >> 1 }, (_, i) => bytes.readUInt16LE(2 * i));
}

/** The names of samples as they are within their folder, wherever that lies; others as they are. */
export function namesWithin({ names }: Dataset, { origin }: Pick<SampleSet, 'origin'>): readonly string[] {
  if (!origin || origin.kind === 'drawn') return names;
  return names.map(name => relative(origin.folder, resolve(name)).replaceAll('\\', '/'));
}

/** What was predicted of each test sample, as a record. */
export function testedOf(data: SampleSet, predicted: ArrayLike<number>): Tested {
  const { test, classes } = data;
  const samples = namesWithin(test, data).map((name, i) => [name, test.labels[i]]);
  const hash = createHash('sha256')
    .update(JSON.stringify([classes, samples]))
    .digest('hex');
  return { samples: hash, labels: closed(test.labels), predicted: closed(predicted) };
}
