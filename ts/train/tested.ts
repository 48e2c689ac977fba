import { sha256, within } from '#host';
import type { Dataset, SampleSet } from '../data/dataset.js';
import type { Tested } from './types.js';

/** Classes of samples as text: two bytes each, the lower first, in base64. */
function closed(values: ArrayLike<number>): string {
  return btoa(Array.from(values, value => String.fromCharCode(value & 255, value >> 8)).join(''));
}

/** The numbers of a field of `Tested`. */
export function classesOf(field: string): Uint16Array {
  const bytes = atob(field);
  return Uint16Array.from(
    { length: bytes.length >> 1 },
    (_, i) => bytes.charCodeAt(2 * i) | (bytes.charCodeAt(2 * i + 1) << 8),
  );
}

/** The names of samples as they are within their folder, wherever that lies; others as they are. */
export function namesWithin({ names }: Dataset, { origin }: Pick<SampleSet, 'origin'>): readonly string[] {
  if (!origin || origin.kind === 'drawn') return names;
  return names.map(name => within(origin.folder, name));
}

/** What was predicted of each test sample, as a record. */
export function testedOf(data: SampleSet, predicted: ArrayLike<number>): Tested {
  const { test, classes } = data;
  const samples = namesWithin(test, data).map((name, i) => [name, test.labels[i]]);
  const hash = sha256()
    .update(JSON.stringify([classes, samples]))
    .digest('hex');
  return { samples: hash, labels: closed(test.labels), predicted: closed(predicted) };
}
