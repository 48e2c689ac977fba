import { resolve } from 'node:path';
import { aborted, TinytrainError } from '../../errors.js';
import { thousands } from '../../format.js';
import { options as all, checkOptions, type Front, type FrontOptions, optionTable } from '../../options.js';
import { type Files, keyOf, splitFiles } from '../folder.js';
import { type InputFormat, inputLength } from '../input.js';
import { recordings } from '../kind.js';
import { readLayout } from '../layout.js';
import type { SeriesOrigin } from '../origin.js';
import type { WorkOptions } from '../pool.js';
import { checkReading, readSamples } from '../read.js';
import type { Listed, Parts, SampleSource } from '../source.js';
import { defaultShares, type Split, type SplitShares, splits } from '../split.js';
import { feeding } from './feeding.js';
import type { Table } from './rows.js';
import { quantised, rawOf } from './scale.js';
import { frontOf } from './sound.js';
import { readTable, Tables } from './table.js';

/** Incremented when reading changes, so that samples cached by an older version are not reused. */
const READER = 1;

/** Options for selecting and reading the recordings of a folder. */
export interface SeriesOptions {
  /** Rows of a sample, cut from a longer recording; without it, each file is one sample. */
  readonly window?: number | undefined;
  /** Rows from one window to the next; as many as a window has by default. */
  readonly hop?: number | undefined;
  /** Makes spectrograms of sounds, whose rows are then windows' rows; the rate is that of the first recording unless it is given. */
  readonly front?: FrontOptions | undefined;
  /** Skips recordings that cannot be read, and lists them; otherwise the first one is an error. */
  readonly skipBad?: boolean | undefined;
  /** Seed of the split, if the folder has no train/ and test/; 0 by default. */
  readonly seed?: number | undefined;
  /** Shares of that split; a fifth for the test by default. */
  readonly shares?: SplitShares | undefined;
}

/** A sample: some rows of a recording. */
export interface Cut extends Listed {
  readonly path: string;
  /** Its first row, and its number of rows; all of them if omitted. */
  readonly first: number;
  readonly rows?: number | undefined;
}

/** Rows of a recording as they are to be a sample; a recording that ends before is continued with its last row. */
export function rowsOf({ rows, rowLength, values }: Table, { first, rows: wanted = rows }: Cut): Float64Array {
  const result = new Float64Array(wanted * rowLength);
  for (let row = 0; row < wanted; row++) {
    const from = Math.min(rows - 1, first + row) * rowLength;
    result.set(values.subarray(from, from + rowLength), row * rowLength);
  }
  return result;
}

function shapeError({ height, width, channels }: InputFormat, found: string, help: readonly string[]): TinytrainError {
  const shape = [height, width, channels];
  const wanted = `${shape.join('x')}, ${thousands(height * width * channels)} values`;
  return new TinytrainError('INPUT_SHAPE', `${found}; the model takes ${wanted}`, { shape, help });
}

/** Throws `INPUT_SHAPE` for a recording from which no sample of the model's input can be had. */
export function checkShape(path: string, table: Table, cut: Pick<Cut, 'rows'>, input: InputFormat): void {
  const { rows, rowLength } = table;
  const length = inputLength(input);
  const wanted = cut.rows ?? rows;
  if (wanted * rowLength === length) return;
  const columns = `${thousands(rowLength)} ${rowLength === 1 ? 'column' : 'columns'}`;
  const found = `${path}: ${cut.rows === undefined ? '' : 'windows of '}${thousands(wanted)} rows of ${columns}, ${thousands(wanted * rowLength)} values`;
  const fitting = length % rowLength === 0 ? length / rowLength : undefined;
  const help =
    fitting === undefined
      ? `a row of ${columns} does not divide the model's input`
      : `--window ${fitting} --hop ${fitting} cuts samples of ${thousands(fitting)} rows from each recording`;
  throw shapeError(input, found, [help]);
}

/** The int8 sample that rows of a recording become. Throws `INPUT_SHAPE`. */
export function sampleOf(table: Table, cut: Cut, input: InputFormat): Int8Array {
  checkShape(cut.path, table, cut, input);
  return quantised(rawSample(table, cut, input), input.series ?? []);
}

/** The raw sample that a device would take for these rows. */
export function rawSample(table: Table, cut: Cut, { series = [] }: InputFormat): Int16Array {
  const values = rowsOf(table, cut);
  if (table.columns !== series.length) {
    const columns = `${table.columns} ${table.columns === 1 ? 'column' : 'columns'}`;
    throw new TinytrainError(
      'INPUT_SHAPE',
      `${cut.path}: ${columns}, where the training recordings have ${series.length}`,
      {
        path: cut.path,
      },
    );
  }
  return Int16Array.from(values, (value, i) => rawOf(value, series[i % series.length]?.unit ?? 1));
}

/** The windows of a recording: without a size it is one sample as it is; one shorter than a window is one sample. */
export function cutsOf(path: string, label: number, rows: number, window?: number, hop = window ?? 1): Cut[] {
  if (window === undefined) return [{ name: path, path, label, first: 0 }];
  const count = Math.max(1, Math.floor((rows - window) / hop) + 1);
  return Array.from({ length: count }, (_, i) => {
    const first = i * hop;
    return { name: count === 1 ? path : `${path}:${first}`, path, label, first, rows: window };
  });
}

/** The samples of each file. With `skipBad`, a file that cannot be read counts as one, to be listed when it is read again. */
async function cutAll(
  files: Files,
  tables: Tables,
  { window, hop, skipBad }: SeriesOrigin,
): Promise<Parts<readonly Cut[]>> {
  const cuts: Record<Split, Cut[]> = { train: [], validation: [], test: [] };
  for (const split of splits) {
    for (const { path, label } of files[split] ?? []) {
      let rows = 0;
      // The rows are counted only where windows are cut.
      if (window !== null) {
        try {
          rows = (await tables.get(path)).rows;
        } catch (error) {
          if (!skipBad) throw error;
        }
      }
      for (const cut of cutsOf(path, label, rows, window ?? undefined, hop ?? undefined)) cuts[split].push(cut);
    }
  }
  const { train, validation, test } = cuts;
  return { train, ...(files.validation && { validation }), test };
}

const { window, hop, front, skipBad, seed, shares } = all;
const seriesOptions = optionTable<SeriesOptions>({ window, hop, front, skipBad, seed, shares });

const isBad = (error: unknown): error is TinytrainError =>
  error instanceof TinytrainError && error.code === 'RECORDING_CORRUPT';

/** The front end that was asked for, at the rate of the first recording that can be read. */
async function frontFor(files: Files, given: FrontOptions | undefined, skipBad: boolean): Promise<Front | undefined> {
  if (!given) return undefined;
  const known = frontOf(given);
  if (known) return known;
  for (const { path } of files.train) {
    const table = await readTable(path).catch(error => {
      if (skipBad && isBad(error)) return undefined;
      throw error;
    });
    if (!table) continue;
    const found = frontOf(given, table.rate, path);
    if (found) return found;
    throw new TinytrainError('RECORDING_RATE', `${path}: it does not say how many values a second it has`, {
      path,
      help: ['--front mel:rate=16000 says it'],
    });
  }
  return undefined;
}

/**
 * A folder of recordings (`.npy`, `.csv`, `.wav`) as a source of samples: class folders, a recording per class, or `labels.csv`, with or without train/ and test/.
 * Throws the errors of a folder of images, `RECORDING_CORRUPT`, and with a front end `RECORDING_RATE`.
 */
export async function seriesFolder(folder: string, options: SeriesOptions = {}): Promise<SampleSource> {
  checkOptions(seriesOptions, options);
  const { window, hop, front: wanted, skipBad = false, seed = all.seed.default, shares = defaultShares } = options;
  const cutting = { window: window ?? null, hop: hop ?? null };
  const layout = await readLayout(folder, recordings);
  const files = splitFiles(folder, layout, { seed, shares }, recordings);
  const front = await frontFor(files, wanted, skipBad);
  const how = { ...cutting, ...(front && { front }), skipBad, seed, shares };
  const origin: SeriesOrigin = { kind: 'series', folder: resolve(folder), ...how };
  const tables = new Tables(front);
  const cuts = await cutAll(files, tables, origin);
  const source = {
    name: layout.files.all ? `${folder}, split by seed ${seed}` : folder,
    origin,
    classes: layout.classes,
    parts: cuts,
  };
  const cutOf = (split: Split, place: number) => cuts[split]?.[place];
  const each = async (
    _: InputFormat,
    look: (table: Table, path: string) => void,
    { signal, onProgress }: WorkOptions,
  ) => {
    const all = files.train;
    for (const [i, { path }] of all.entries()) {
      if (signal?.aborted) throw aborted('reading samples', signal);
      const table = await tables.get(path).catch(error => {
        if (skipBad && isBad(error)) return undefined;
        throw error;
      });
      if (table) look(table, path);
      onProgress?.({ done: i + 1, total: all.length });
    }
  };
  return {
    ...source,
    ...feeding((path, table, input) => checkShape(path, table, { rows: window }, input), each),
    async raw(split, place, input) {
      const cut = cutOf(split, place);
      return cut && rawSample(await tables.get(cut.path), cut, input);
    },
    async read(input, how = {}) {
      checkReading(how);
      if (!input.series) {
        throw new TinytrainError('INPUT_INVALID', 'the model does not say how series become its input', {
          help: [
            'model.withSeries(await source.normalise(model.input, model.input)) finds it in the training recordings',
          ],
        });
      }
      const { height, width, channels, series } = input;
      const facts = [
        'series',
        READER,
        height,
        width,
        channels,
        series,
        window ?? null,
        hop ?? null,
        ...(front ? [front] : []),
      ];
      const key = await keyOf(folder, files, facts, [], how);
      const make = async (split: Split, place: number): Promise<Int8Array> => {
        const cut = cutOf(split, place);
        return cut ? sampleOf(await tables.get(cut.path), cut, input) : new Int8Array();
      };
      return readSamples({ source, key, skipBad, make, isBad }, input, how);
    },
  };
}
