import { aborted } from '../../errors.js';
import { Dataset } from '../dataset.js';
import { type InputFormat, inputLength } from '../input.js';
import type { WorkOptions } from '../pool.js';
import { cutsOf, sampleOf } from './folder.js';
import type { Cutting } from './rows.js';
import { readTable } from './table.js';

/** Reads recordings as samples without a class (their labels are 0), cut as in training. Throws `RECORDING_CORRUPT`, `RECORDING_RATE`, `INPUT_SHAPE`, `ABORTED`. */
export async function seriesSamples(
  paths: readonly string[],
  input: InputFormat,
  { window, hop, front }: Cutting,
  { signal }: WorkOptions = {},
): Promise<Dataset> {
  const samples: Int8Array[] = [];
  const names: string[] = [];
  for (const path of paths) {
    if (signal?.aborted) throw aborted('reading samples', signal);
    const table = await readTable(path, front);
    for (const cut of cutsOf(path, 0, table.rows, window, hop)) {
      samples.push(sampleOf(table, cut, input));
      names.push(cut.name);
    }
  }
  const all = new Int8Array(samples.length * inputLength(input));
  for (const [i, sample] of samples.entries()) all.set(sample, i * sample.length);
  return Dataset.from(all, new Uint16Array(samples.length), input, names);
}
