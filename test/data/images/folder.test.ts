import { spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type ErrorCode, loadImages, loadModel, type SampleSet, TinytrainError } from '#tinytrain';
import { images, plain, smallSet, temporary, write } from '../../helpers/folder.js';
import { plainInput } from '../../helpers/input.js';

const input = plainInput(8);

async function refused(t: ExecutionContext, folder: string, code: ErrorCode, message: RegExp): Promise<void> {
  const error = await t.throwsAsync(loadImages(folder, input), { instanceOf: TinytrainError });
  t.is(error.code, code);
  t.regex(error.message, message);
}

const names = (set: SampleSet, folder: string, split: 'train' | 'test') =>
  set[split].names.map(name => name.slice(folder.length + 1).replaceAll('\\', '/'));

test('train, validation and test folders are the splits', async t => {
  const folder = await temporary(t);
  await images(folder, {
    'train/b': 2,
    'train/a': 3,
    'validation/a': 1,
    'validation/b': 1,
    'test/a': 1,
    'test/b': 2,
  });
  const set = await loadImages(folder, input);
  t.deepEqual(set.classes, ['a', 'b']);
  t.deepEqual([...set.train.labels], [0, 0, 0, 1, 1]);
  t.deepEqual([set.validation?.size, set.test.size], [2, 3]);
  t.deepEqual(names(set, folder, 'test'), ['test/a/000.png', 'test/b/000.png', 'test/b/001.png']);
});

test('without a test folder the validation folder is measured on', async t => {
  const folder = await temporary(t);
  await images(folder, { 'train/a': 2, 'train/b': 2, 'val/a': 1, 'val/b': 1 });
  const set = await loadImages(folder, input);
  t.deepEqual([set.train.size, set.validation, set.test.size], [4, undefined, 2]);
});

test('class folders alone are split by the seed, a fifth of each class for the test', async t => {
  const folder = await temporary(t);
  await images(folder, { a: 10, b: 20 });
  const first = await loadImages(folder, input, { seed: 1 });
  const again = await loadImages(folder, input, { seed: 1 });
  const other = await loadImages(folder, input, { seed: 2 });
  t.deepEqual([first.train.size, first.test.size], [24, 6]);
  t.deepEqual([...first.test.labels], [0, 0, 1, 1, 1, 1]);
  t.deepEqual(names(again, folder, 'test'), names(first, folder, 'test'));
  t.notDeepEqual(names(other, folder, 'test'), names(first, folder, 'test'));
  const all = [...names(first, folder, 'train'), ...names(first, folder, 'test')];
  t.is(new Set(all).size, 30);
});

test('shares of the split can be chosen', async t => {
  const folder = await temporary(t);
  await images(folder, { a: 10, b: 10 });
  const set = await loadImages(folder, input, { shares: { validation: 0.2, test: 0.3 } });
  t.deepEqual([set.train.size, set.validation?.size, set.test.size], [10, 4, 6]);
});

test('classes are sorted bytewise', async t => {
  const folder = await temporary(t);
  await images(folder, { b: 2, Z: 2, ä: 2, a10: 2, a9: 2 });
  t.deepEqual((await loadImages(folder, input)).classes, ['Z', 'a10', 'a9', 'b', 'ä']);
});

test('a class may be called train', async t => {
  const folder = await temporary(t);
  await images(folder, { bus: 2, train: 2, tram: 2 });
  t.deepEqual((await loadImages(folder, input)).classes, ['bus', 'train', 'tram']);
});

test('hidden files and sidecars are passed over, links are followed', async t => {
  const folder = await temporary(t);
  await images(folder, { a: 2, 'elsewhere/b': 2 });
  await write(folder, { 'a/notes.txt': 'x', 'a/.DS_Store': 'x', 'labels.csv': 'x' });
  await fs.rename(join(folder, 'elsewhere'), `${folder}-b`);
  t.teardown(() => fs.rm(`${folder}-b`, { recursive: true, force: true }));
  await fs.symlink(join(`${folder}-b`, 'b'), join(folder, 'b'));
  const set = await loadImages(folder, input);
  t.deepEqual(set.classes, ['a', 'b']);
  t.is(set.train.size + set.test.size, 4);
});

test('layouts that cannot be meant are refused, each by name', async t => {
  const cases: [Record<string, number>, ErrorCode, RegExp][] = [
    [{}, 'CLASSES_TOO_FEW', /no class folder/],
    [{ a: 3 }, 'CLASSES_TOO_FEW', /only one class, a/],
    [{ a: 3, b: 0 }, 'CLASS_EMPTY', /b: the class has no images/],
    [{ 'train/a': 1, 'train/b': 0, 'test/a': 1 }, 'CLASS_EMPTY', /train.b: the class has no images/],
    [{ 'train/a': 1, 'train/b': 1, c: 1 }, 'DATA_LAYOUT', /c is beside train/],
    [
      { 'train/a': 1, 'train/b': 1, 'test/a': 1, 'test/c': 1 },
      'DATA_LAYOUT',
      /class c is not among the classes of train/,
    ],
    [{ 'train/a': 1, 'train/b': 1 }, 'DATA_LAYOUT', /there is only train\//],
    [{ 'test/a': 1, 'test/b': 1 }, 'DATA_LAYOUT', /there is test\/ but no train\//],
    [{ 'train/a': 1, 'train/b': 1, 'val/a': 1, 'validation/b': 1 }, 'DATA_LAYOUT', /both the validation split/],
    [{ a: 1, 'b/inner': 1 }, 'DATA_LAYOUT', /b: the class folder contains another folder, inner/],
    [{ '': 2, a: 1, b: 1 }, 'DATA_LAYOUT', /000\.png is beside the class folders/],
    [{ a: 1, b: 2 }, 'CLASS_TOO_SMALL', /class a has 1 image, too few/],
  ];
  for (const [counts, code, message] of cases) {
    const folder = await temporary(t);
    await images(folder, counts);
    await refused(t, folder, code, message);
  }
});

test('a folder that is not there, and a file in its place, are refused', async t => {
  const folder = await temporary(t);
  await refused(t, join(folder, 'none'), 'FILE_ERROR', /none: cannot be read: it does not exist/);
  await write(folder, { file: 'x' });
  await refused(t, join(folder, 'file'), 'FILE_ERROR', /a part of the path is not a folder/);
});

test('a corrupt image is an error; skipBad goes on and lists it', async t => {
  const folder = await temporary(t);
  await smallSet(folder);
  const bad = join(folder, 'train', 'cat', '002.png');
  await fs.writeFile(bad, (await fs.readFile(bad)).subarray(0, 40));
  await refused(t, folder, 'IMAGE_CORRUPT', /002\.png: not an image/);
  const set = await loadImages(folder, input, { skipBad: true });
  t.deepEqual(
    set.skipped.map(({ path }) => path),
    [bad],
  );
  t.is(set.train.size, 11);
  t.false(set.train.names.includes(bad));
});

test('a class of which nothing is left is an error', async t => {
  const folder = await temporary(t);
  await smallSet(folder, 1);
  await fs.writeFile(join(folder, 'train', 'dog', '000.png'), 'broken');
  const error = await t.throwsAsync(loadImages(folder, input, { skipBad: true }), { instanceOf: TinytrainError });
  t.is(error.code, 'CLASS_EMPTY');
});

test('a file of another kind in a class folder is an error that names it', async t => {
  const folder = await temporary(t);
  await smallSet(folder);
  await write(folder, { 'train/cat/image.bmp': 'BM' });
  await refused(t, folder, 'IMAGE_CORRUPT', /image\.bmp/);
});

test('names of splits in other words and in capitals', async t => {
  for (const [train, test] of [
    ['train', 'Test'],
    ['training', 'testing'],
    ['TRAIN', 'eval'],
  ]) {
    const folder = await temporary(t);
    await images(folder, { [`${train}/a`]: 2, [`${train}/b`]: 1, [`${test}/a`]: 1, [`${test}/b`]: 1 });
    const set = await loadImages(folder, input);
    t.deepEqual([set.classes, set.train.size, set.test.size], [['a', 'b'], 3, 2]);
  }
});

test('folders that systems leave behind are passed over', async t => {
  const folder = await temporary(t);
  await images(folder, { a: 5, b: 5, __MACOSX: 0, 'a/@eaDir': 0 });
  await write(folder, { '__MACOSX/a/._000.png': 'x', 'a/Thumbs.db': 'x', 'b/desktop.ini': 'x' });
  t.deepEqual((await loadImages(folder, input)).classes, ['a', 'b']);
});

test('a folder too deep, a link to nowhere and a pipe are told by name', async t => {
  const folder = await temporary(t);
  await images(folder, { 'set/a': 2, 'set/b': 2 });
  const error = await t.throwsAsync(loadImages(folder, input), { instanceOf: TinytrainError, code: 'DATA_LAYOUT' });
  t.deepEqual(error.details.help, [`point to ${join(folder, 'set')}`]);
  await fs.symlink('/nowhere/at/all', join(folder, 'set', 'a', '002.png'));
  await refused(
    t,
    join(folder, 'set'),
    'FILE_ERROR',
    /a.002\.png: the link leads to \/nowhere\/at\/all, which does not exist/,
  );
  await fs.rm(join(folder, 'set', 'a', '002.png'));
  t.is(spawnSync('mkfifo', [join(folder, 'set', 'b', 'pipe')]).status, 0);
  await refused(t, join(folder, 'set'), 'FILE_ERROR', /b.pipe: it is neither a file nor a folder/);
});

test('a list of files and labels takes the place of folders', async t => {
  const folder = await temporary(t);
  await images(folder, { photos: 6 });
  const lines = Array.from({ length: 6 }, (_, i) => `photos/00${i}.png,"the ""${i % 2 ? 'b' : 'a'}"", really"`);
  await write(folder, { 'labels.csv': ['Filename,Label', ...lines].join('\r\n') });
  const set = await loadImages(folder, input);
  t.deepEqual(set.classes, ['the "a", really', 'the "b", really']);
  t.deepEqual([set.train.size, set.test.size], [4, 2]);
  const split = lines.map((line, i) => `${line},${i < 4 ? 'Train' : 'test'}`);
  await write(folder, { 'labels.csv': ['file,class,split', ...split, ''].join('\n') });
  t.deepEqual(names(await loadImages(folder, input), folder, 'test'), ['photos/004.png', 'photos/005.png']);
  for (const [text, why] of [
    ['file,label\na.png\n', /labels\.csv: line 2: has no label/],
    ['file,label\n../a.png,x\n', /line 2: \.\.\/a\.png is not in the folder/],
    ['file,label\na.png,x\n./a.png,y', /line 3: \.\/a\.png is listed twice/],
    ['file,label,split\na.png,x,later\n', /line 2: later is none of train, validation and test/],
  ] as const) {
    await write(folder, { 'labels.csv': text });
    await refused(t, folder, 'DATA_LAYOUT', why);
  }
});

test('the same image in train and test is told', async t => {
  const folder = await temporary(t);
  await smallSet(folder);
  const read = async () => (await loadImages(folder, input)).repeated;
  t.deepEqual(await read(), { count: 0, first: null });
  const [from, to] = [join(folder, 'train/cat/001.png'), join(folder, 'test/dog/002.png')];
  await fs.copyFile(from, to);
  for (const round of ['decoded', 'cached'])
    t.deepEqual(await read(), { count: 1, first: { train: from, test: to } }, round);
});

test('a normalisation that clips, and an input that is no picture, are refused', async t => {
  const folder = await temporary(t);
  await smallSet(folder);
  const read = async (options: object) => loadImages(folder, (await loadModel(undefined, options)).input);
  const error = await t.throwsAsync(read({ normalisation: { mean: [0], std: [1] } }), { instanceOf: TinytrainError });
  t.is(error.code, 'INPUT_CLIPPED');
  t.regex(error.message, /the normalisation clips 99\.2 % of all pixel values/);
  await read({ normalisation: { mean: [0], std: [400] } });
  await t.throwsAsync(loadImages(folder, plainInput(1, 1, 1)), {
    code: 'INPUT_NO_IMAGE',
    message: /the model takes 1x1x1: a single number, not an image/,
  });
});

test('an input of two channels takes no image', async t => {
  const error = await t.throwsAsync(loadImages('.', plainInput(8, 8, 2)), { instanceOf: TinytrainError });
  t.is(error.code, 'INPUT_NO_IMAGE');
});

test('the same images come out of memory and of the cache file', async t => {
  const [folder, cacheFolder] = [await temporary(t), await temporary(t)];
  await smallSet(folder);
  const inMemory = await loadImages(folder, input);
  const options = { memoryLimit: 0, cacheFolder };
  const decoded = await loadImages(folder, input, options);
  let seen = 0;
  const found = await loadImages(folder, input, { ...options, onProgress: () => seen++ });
  t.is(seen, 0, 'nothing is decoded a second time');
  for (const set of [decoded, found]) {
    t.is(set.hash, inMemory.hash);
    t.is(set.train.hash(), inMemory.train.hash());
    t.is(set.test.hash(), inMemory.test.hash());
  }
  t.deepEqual((await fs.readdir(cacheFolder)).map(name => name.split('.')[1]).sort(), ['json', 'samples']);
});

test('a pipe in the place of a file of the cache is replaced, and nobody waits for it', async t => {
  const [folder, cacheFolder] = [await temporary(t), await temporary(t)];
  await smallSet(folder);
  const hash = async () => (await loadImages(folder, input, { memoryLimit: 0, cacheFolder })).train.hash();
  const before = await hash();
  const name = (await fs.readdir(cacheFolder)).find(name => name.endsWith('.samples')) ?? '';
  await fs.rm(join(cacheFolder, name));
  t.is(spawnSync('mkfifo', [join(cacheFolder, name)]).status, 0);
  t.is(await hash(), before);
  t.true((await fs.stat(join(cacheFolder, name))).isFile());
});

test('the cache is made anew when an image, the size or the policy changes, and remembers bad ones', async t => {
  const [folder, cacheFolder] = [await temporary(t), await temporary(t)];
  await smallSet(folder);
  const options = { memoryLimit: 0, cacheFolder };
  const first = await loadImages(folder, input, options);
  await write(folder, { 'train/cat/000.png': await plain('#123456', 9, 9) });
  const hashes = [
    first.hash,
    (await loadImages(folder, input, options)).hash,
    (await loadImages(folder, plainInput(4), options)).hash,
    (await loadImages(folder, input, { ...options, resize: 'contain' })).hash,
  ];
  t.is(new Set(hashes).size, 4);
  await write(folder, { 'train/cat/001.png': 'broken' });
  await loadImages(folder, input, { ...options, skipBad: true });
  t.is((await loadImages(folder, input, { ...options, skipBad: true })).skipped.length, 1);
  const error = await t.throwsAsync(loadImages(folder, input, options), { instanceOf: TinytrainError });
  t.is(error.code, 'IMAGE_CORRUPT');
});

test('a broken cache is made anew', async t => {
  const [folder, cacheFolder] = [await temporary(t), await temporary(t)];
  await smallSet(folder);
  const options = { memoryLimit: 0, cacheFolder };
  const before = (await loadImages(folder, input, options)).train.hash();
  for (const name of await fs.readdir(cacheFolder)) await fs.truncate(join(cacheFolder, name), 10);
  t.is((await loadImages(folder, input, options)).train.hash(), before);
});

test('decoding tells how far it is and stops when it is told to', async t => {
  const folder = await temporary(t);
  await smallSet(folder);
  const seen: number[] = [];
  await loadImages(folder, input, { onProgress: ({ done }) => seen.push(done) });
  t.deepEqual(
    seen,
    Array.from({ length: 18 }, (_, i) => i + 1),
  );
  const controller = new AbortController();
  const options = { cacheFolder: await temporary(t), signal: controller.signal };
  const stopped = loadImages(folder, input, { ...options, onProgress: () => controller.abort() });
  t.is((await t.throwsAsync(stopped, { instanceOf: TinytrainError })).code, 'ABORTED');
});

test('the number of threads changes nothing', async t => {
  const folder = await temporary(t);
  await smallSet(folder);
  const [one, many] = await Promise.all([1, 7].map(threads => loadImages(folder, input, { threads })));
  t.is(one?.train.hash(), many?.train.hash());
});
