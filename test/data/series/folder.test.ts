import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  type ErrorCode,
  type InputFormat,
  loadModel,
  type SeriesOptions,
  sampleFolder,
  seriesFolder,
  TinytrainError,
} from '#tinytrain';
import { openSource } from '#tinytrain/data/open.js';
import { columnScales, quantised, rawOf, type SeriesScale } from '#tinytrain/data/series/scale.js';
import { temporary, write } from '../../helpers/folder.js';
import { npy, wav } from '../../helpers/series.js';

const quantisation = { scale: 1 / 256, zero: -128 };

/** An input of `rows` x `columns`, fed with a normalisation. */
function fed(rows: number, columns: number, scale: SeriesScale): InputFormat {
  return { height: 1, width: rows, channels: columns, tables: [], series: columnScales(scale, quantisation) };
}

/** Rows of two columns: a count from `first`, and minus ten times that. */
const csv = (first: number, rows: number) =>
  `up,down\n${Array.from({ length: rows }, (_, i) => `${first + i},${-10 * (first + i)}`).join('\n')}\n`;

const shape = (rows: number, columns: number): InputFormat => ({
  height: 1,
  width: rows,
  channels: columns,
  tables: [],
});

async function read(folder: string, rows: number, options: SeriesOptions = {}) {
  const source = await seriesFolder(folder, options);
  const scale = (await source.normalise?.(shape(rows, 2), quantisation)) ?? { mean: [], std: [], units: [] };
  const input = fed(rows, 2, scale);
  return { source, scale, input, set: await source.read(input, { cacheFolder: join(folder, '.cache') }) };
}

test('the range of each column in the training recordings fills int8', async t => {
  const folder = await temporary(t);
  for (const [name, first] of [
    ['train/a/0', 0],
    ['train/b/0', 5],
    ['test/a/0', -100],
    ['test/b/0', 200],
  ] as const) {
    await write(folder, { [`${name}.csv`]: csv(first, 6) });
  }
  const { set, scale } = await read(folder, 6);
  t.deepEqual(scale.units, [1, 1]);
  const of = (up: number) => Math.floor((up / 10) * 255 - 128 + 0.5);
  t.deepEqual(
    [...set.train.sample(0)].filter((_, i) => i % 2 === 0),
    [0, 1, 2, 3, 4, 5].map(of),
  );
  t.deepEqual([...set.train.sample(1)].slice(-2), [127, -128]);
  // What lies outside is held at the bounds.
  t.deepEqual(new Set(set.test.sample(0)), new Set([-128, 127]));
  t.deepEqual(set.classes, ['a', 'b']);
});

test('integers do what the normalisation says, to half a step', t => {
  const units = [1, 2 ** -9, 4];
  const scale = { mean: [-4, 0.3, 1000], std: [8, 2.2, 30_000], units };
  const model = { scale: 0.0078, zero: 3 };
  for (const [c, column] of columnScales(scale, model).entries()) {
    const [mean, std, unit] = [scale.mean[c] ?? 0, scale.std[c] ?? 0, units[c] ?? 0];
    for (let i = -400; i <= 400; i++) {
      const value = mean + (std * i) / 350;
      const exact = Math.max(-128, Math.min(127, (rawOf(value, unit) * unit - mean) / std / model.scale + model.zero));
      const [q = 0] = quantised(Int16Array.of(rawOf(value, unit)), [column]);
      t.true(Math.abs(q - exact) < 0.51, `${c}: ${value}`);
    }
  }
});

test('windows are cut from long recordings; short ones are continued with their last row', async t => {
  const folder = await temporary(t);
  await write(folder, {
    'train/a.csv': csv(0, 10),
    'train/b.csv': csv(0, 3),
    'test/a.csv': csv(0, 4),
    'test/b.csv': csv(0, 5),
  });
  const { set, source, input } = await read(folder, 4, { window: 4, hop: 3 });
  t.deepEqual(
    set.train.names.map(name => name.slice(folder.length + 1)),
    ['train/a.csv:0', 'train/a.csv:3', 'train/a.csv:6', 'train/b.csv'],
  );
  t.deepEqual([...set.train.labels], [0, 0, 0, 1]);
  t.deepEqual([set.test.size, (await seriesFolder(folder, { window: 4 })).parts.train.length], [2, 3]);
  t.deepEqual([...((await source.raw?.('train', 2, input)) ?? [])], [6, -60, 7, -70, 8, -80, 9, -90]);
  t.deepEqual([...((await source.raw?.('train', 3, input)) ?? [])], [0, 0, 1, -10, 2, -20, 2, -20]);
});

test('.npy, .csv and .wav give the same samples, from class folders and from a list', async t => {
  const folder = await temporary(t);
  const values = Array.from({ length: 8 }, (_, i) => i * 100 - 300);
  const rows = [0, 1, 2, 3].map(row => values.slice(2 * row, 2 * row + 2).join(','));
  const content = {
    npy: npy(values, [4, 2], '<f4'),
    csv: rows.join('\n'),
    wav: wav(values, { bits: 16, format: 1, channels: 2 }),
  };
  const names = Object.entries(content).flatMap(([kind, bytes]) =>
    ['0', '1', '2'].map(i => [`${i}.${kind}`, bytes] as const),
  );
  const files = Object.fromEntries(
    ['a', 'b'].flatMap(name => names.map(([file, bytes]) => [`${name}/${file}`, bytes])),
  );
  await write(folder, files);
  const { set } = await read(folder, 4);
  t.is(set.train.size + set.test.size, 18);
  t.deepEqual(new Set([0, 5, 9, 13].map(i => set.train.sample(i).join())).size, 1);
  t.is(set.repeated?.count, set.test.size, 'and that is told');
  const list = await temporary(t);
  await write(list, { ...Object.fromEntries(names.map(([name, bytes]) => [`all/${name}`, bytes])) });
  await write(list, {
    'labels.csv': `file,label\n${names.map(([name], i) => `all/${name},${'ab'[i % 2]}`).join('\n')}\n`,
  });
  const listed = (await read(list, 4)).set;
  t.deepEqual([listed.classes, listed.train.size + listed.test.size], [['a', 'b'], 9]);
  t.is(listed.train.sample(0).join(), set.train.sample(0).join());
});

async function refused(
  t: ExecutionContext,
  work: Promise<unknown>,
  code: ErrorCode,
  message: RegExp,
  help?: RegExp,
): Promise<void> {
  const error = await t.throwsAsync(work, { instanceOf: TinytrainError });
  t.is(error.code, code, error.message);
  t.regex(error.message, message);
  if (help) t.regex((error.details.help ?? []).join('\n'), help);
}

test('shapes that do not fit, and normalisations that clip, are told in the words of the user', async t => {
  const folder = await temporary(t);
  for (const name of ['a', 'b']) for (const i of [0, 1, 2]) await write(folder, { [`${name}/${i}.csv`]: csv(0, 10) });
  const source = await seriesFolder(folder);
  const normalise = (input: InputFormat, given?: { mean: number[]; std: number[] }) =>
    source.normalise?.(input, quantisation, given) ?? Promise.resolve(undefined);
  await refused(
    t,
    normalise(shape(5, 2)),
    'INPUT_SHAPE',
    /0\.csv: 10 rows of 2 columns, 20 values; the model takes 1x5x2, 10 values$/,
    /--window 5 --hop 5 cuts/,
  );
  await refused(
    t,
    normalise(shape(7, 3)),
    'INPUT_SHAPE',
    /the model takes 1x7x3, 21 values$/,
    /a row of 2 columns does not divide/,
  );
  const windowed = await seriesFolder(folder, { window: 4 });
  await refused(
    t,
    windowed.normalise?.(shape(5, 2), quantisation) ?? Promise.resolve(),
    'INPUT_SHAPE',
    /windows of 4 rows of 2 columns, 8 values/,
    /--window 5/,
  );
  await refused(
    t,
    normalise(shape(10, 2), { mean: [0], std: [4] }),
    'INPUT_CLIPPED',
    /clips 7[0-9]\.\d % of the training values/,
  );
  await refused(
    t,
    normalise(shape(10, 2), { mean: [0, 0, 0], std: [4] }),
    'INPUT_INVALID',
    /3 numbers for the normalisation; the recordings have 2 columns/,
  );
  t.deepEqual((await normalise(shape(10, 2), { mean: [0, -100], std: [20, 200] }))?.mean, [0, -100]);
  await write(folder, { 'b/0.csv': '1,2,3\n'.repeat(10) });
  await refused(t, read(folder, 10), 'INPUT_SHAPE', /b.0\.csv: 10 rows of 3 columns, 30 values/);
  const { input } = await loadModel();
  await refused(
    t,
    sampleFolder(folder).then(found => found.read(input)),
    'INPUT_INVALID',
    /does not say how series become its input/,
  );
});

test('a broken recording is an error; skipBad goes on and lists it, and the cache remembers', async t => {
  const folder = await temporary(t);
  for (const name of ['a', 'b'])
    for (const i of [0, 1, 2, 3, 4]) await write(folder, { [`${name}/${i}.csv`]: csv(i, 4) });
  const bad = join(folder, 'a', '2.csv');
  await write(folder, { 'a/2.csv': 'x,y\n1,\n' });
  await refused(
    t,
    read(folder, 4),
    'RECORDING_CORRUPT',
    /2\.csv: not a recording that can be read: line 2, column 2: "" is not a number/,
    /--skip-bad|remove/,
  );
  for (const window of [undefined, 4]) {
    for (const round of ['read', 'cached']) {
      const { set } = await read(folder, 4, { skipBad: true, window });
      t.deepEqual(
        set.skipped.map(({ path }) => path),
        [bad],
        round,
      );
    }
  }
  await refused(t, seriesFolder(folder, { window: 4 }), 'RECORDING_CORRUPT', /2\.csv/);
});

test('the origin opens the same samples again, from the folder and from the cache', async t => {
  const folder = join(await temporary(t), 'series');
  for (const name of ['a', 'b'])
    for (const i of [0, 1, 2, 3, 4]) await write(folder, { [`${name}/${i}.csv`]: csv(i, 9) });
  const cacheFolder = await temporary(t);
  const source = await seriesFolder(folder, { window: 4, hop: 2, seed: 3 });
  const input = fed(4, 2, (await source.normalise?.(shape(4, 2), quantisation)) ?? { mean: [], std: [], units: [] });
  const set = await source.read(input, { cacheFolder });
  let made = 0;
  const again = await (await openSource(source.origin, set.hash)).read(input, {
    cacheFolder,
    onProgress: () => made++,
  });
  t.is(made, 0, 'nothing is read a second time');
  t.deepEqual([again.hash, again.train.hash(), again.test.hash()], [set.hash, set.train.hash(), set.test.hash()]);
  await fs.rm(folder, { recursive: true });
  const gone = await (await openSource(source.origin, set.hash, cacheFolder)).read(input, { cacheFolder });
  t.is(gone.test.hash(), set.test.hash());
  t.not(fed(4, 2, { mean: [0], std: [99], units: [1, 1] }).series?.[0]?.factor, input.series?.[0]?.factor);
});

test('a folder is taken for what its files are', async t => {
  const kinds: [string, string][] = [
    ['a/x.npy', 'series'],
    ['train/a/x.wav', 'series'],
    ['a/x.csv', 'series'],
    ['x/y/z/a.wav', 'series'],
  ];
  for (const [path, kind] of kinds) {
    const folder = await temporary(t);
    await write(folder, { [path]: '1\n', 'labels.csv': 'file,label\n' });
    const { kindOf } = await import('#tinytrain/data/open.js');
    t.is((await kindOf(folder)).many, kind === 'series' ? 'recordings' : 'images', path);
    await write(folder, { [path.replace(/x?\.\w+$/, 'x.csv')]: '1\n', [path.replace(/\.\w+$/, '.png')]: '' });
    if (path.endsWith('.csv')) t.is((await kindOf(folder)).many, 'images', 'a .csv may lie beside images');
  }
});
