import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { drawnImages, type InputFormat, imageFolder, type ReadOptions, TinytrainError } from '#tinytrain';
import { openSource } from '#tinytrain/data/open.js';
import { type Making, readSamples } from '#tinytrain/data/read.js';
import { images, smallSet, temporary } from '../helpers/folder.js';
import { pixels, plainInput } from '../helpers/input.js';

/** Three seconds of a sensor with five axes: no image, no colour, no decoder. */
const series: InputFormat = plainInput(1, 3, 5);

/** A source of such series; every value says which sample it is of. */
function makings(key: string, broken: readonly string[] = []): Making {
  const listed = (split: string, count: number) =>
    Array.from({ length: count }, (_, i) => ({ name: `${split} ${i}`, label: i % 2 }));
  const isBad = (error: unknown): error is TinytrainError => error instanceof TinytrainError;
  return {
    source: {
      name: 'a sensor',
      origin: { kind: 'drawn', seed: 0, trainPerClass: 0, testPerClass: 0 },
      classes: ['still', 'moving'],
      parts: { train: listed('train', 4), test: listed('test', 2) },
    },
    key: createHash('sha256').update(key).digest('hex'),
    skipBad: true,
    isBad,
    make: async (split, place) => {
      if (broken.includes(`${split} ${place}`)) throw new TinytrainError('DEVICE_GONE', 'lost');
      return new Int8Array(15).fill((split === 'test' ? 100 : 0) + place);
    },
  };
}

test('samples of any shape are read, cached and chosen from; nothing asks for colours', async t => {
  const cacheFolder = await temporary(t);
  for (const round of ['made', 'cached']) {
    const set = await readSamples(makings('a'), series, { cacheFolder });
    t.deepEqual([set.train.size, set.validation, set.test.size], [4, undefined, 2], round);
    t.deepEqual([...set.test.sample(1)], new Array(15).fill(101), round);
    t.deepEqual([...set.train.labels], [0, 1, 0, 1]);
  }
});

test('a sample that cannot be made is left out, also when the others come from the cache', async t => {
  const cacheFolder = await temporary(t);
  for (const round of ['made', 'cached']) {
    const set = await readSamples(makings('b', ['train 1']), series, { cacheFolder });
    t.deepEqual(set.train.names, ['train 0', 'train 2', 'train 3'], round);
    t.deepEqual([...set.train.sample(1)], new Array(15).fill(2));
    t.deepEqual(set.skipped, [{ path: 'train 1', message: 'lost' }]);
  }
  const one = await t.throwsAsync(readSamples(makings('c', ['train 1', 'train 3']), series, { cacheFolder }), {
    instanceOf: TinytrainError,
  });
  t.is(one.code, 'CLASS_EMPTY');
});

test('what a source holds is known before anything is read', async t => {
  const folder = await temporary(t);
  await smallSet(folder, 4, 2);
  for (const path of ['train/cat/000.png', 'train/dog/000.png']) await fs.writeFile(join(folder, path), 'broken');
  const source = await imageFolder(folder);
  t.deepEqual(source.classes, ['cat', 'dog']);
  t.deepEqual([source.parts.train.length, source.parts.test.length], [8, 4]);
  const drawn = drawnImages({ trainPerClass: 3, testPerClass: 1 });
  t.deepEqual([drawn.classes.length, drawn.parts.train.length, drawn.parts.test.length], [10, 30, 10]);
});

test('only what is asked for is decoded, in that order', async t => {
  const folder = await temporary(t);
  await smallSet(folder, 4, 2);
  const input = plainInput(8);
  const whole = await (await imageFolder(folder)).read(input, { cacheFolder: await temporary(t) });
  for (const name of ['001', '002']) await fs.writeFile(join(folder, 'train', 'cat', `${name}.png`), 'broken');
  const source = await imageFolder(folder);
  const options: ReadOptions = { cacheFolder: await temporary(t), only: { train: [7, 0], test: [3] } };
  const part = await source.read(input, options);
  t.deepEqual([...part.train.labels], [1, 0]);
  t.deepEqual(pixels(part.train.sample(0)), pixels(whole.train.sample(7)));
  t.deepEqual(pixels(part.train.sample(1)), pixels(whole.train.sample(0)));
  t.deepEqual(part.test.names, [whole.test.names[3]]);
  t.is((await source.read(input, { ...options, only: { test: [0] } })).train.size, 0);
  const broken = source.read(input, { ...options, only: { train: [1] } });
  t.is((await t.throwsAsync(broken, { instanceOf: TinytrainError })).code, 'IMAGE_CORRUPT');
  t.deepEqual(await fs.readdir(options.cacheFolder ?? ''), [], 'a part is not taken for the whole');
});

test('a folder that is gone is read from the cache, one that has changed is not', async t => {
  const [folder, cacheFolder] = [join(await temporary(t), 'images'), await temporary(t)];
  await images(folder, { a: 10, b: 10 });
  const input = plainInput(8);
  const source = await imageFolder(folder, { seed: 4, shares: { validation: 0.2, test: 0.3 } });
  const set = await source.read(input, { cacheFolder });
  await fs.rm(folder, { recursive: true });
  const again = await (await openSource(source.origin, set.hash, cacheFolder)).read(input, { cacheFolder });
  for (const split of ['train', 'validation', 'test'] as const) {
    t.is(again[split]?.hash(), set[split]?.hash());
    t.deepEqual(again[split]?.names, set[split]?.names);
  }
  t.deepEqual(
    { ...again, train: 0, validation: 0, test: 0 },
    { ...set, train: 0, validation: 0, test: 0 },
    'everything else is the same',
  );
  const part = await (await openSource(source.origin, set.hash, cacheFolder)).read(input, {
    cacheFolder,
    only: { test: [2] },
  });
  t.deepEqual([...part.test.sample(0)], [...set.test.sample(2)]);
  // Another input was never read from it.
  const other = (await openSource(source.origin, set.hash, cacheFolder)).read(plainInput(4), { cacheFolder });
  t.is((await t.throwsAsync(other, { instanceOf: TinytrainError })).code, 'FILE_ERROR');
  await t.throwsAsync(openSource(source.origin, set.hash, await temporary(t)), { code: 'FILE_ERROR' });
});

test('samples that were damaged in the cache are made anew, whatever was damaged', async t => {
  const [folder, cacheFolder] = [await temporary(t), await temporary(t)];
  await smallSet(folder);
  const input = plainInput(8);
  const read = async (onProgress?: () => void) =>
    (await imageFolder(folder)).read(input, { cacheFolder, ...(onProgress && { onProgress }) });
  const before = (await read()).train.hash();
  const damages: Record<string, (content: Buffer) => Buffer> = {
    'one bit': content => {
      content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1;
      return content;
    },
    'a part that was never written': content => content.fill(0, content.length >> 1),
    'cut short': content => content.subarray(0, content.length - 2),
    nothing: content => content,
  };
  for (const [what, damage] of Object.entries(damages)) {
    for (const kind of ['samples', 'json']) {
      const name = (await fs.readdir(cacheFolder)).find(name => name.endsWith(kind)) ?? '';
      const path = join(cacheFolder, name);
      await fs.writeFile(path, damage(await fs.readFile(path)));
      let made = 0;
      t.is((await read(() => made++)).train.hash(), before, `${what} of ${kind}`);
      t.is(made, what === 'nothing' ? 0 : 18, `${what} of ${kind}`);
    }
  }
});

test('where nothing can be cached, samples are read all the same', async t => {
  const folder = await temporary(t);
  await smallSet(folder);
  await fs.writeFile(join(folder, '.file'), '');
  const set = await (await imageFolder(folder)).read(plainInput(8), { cacheFolder: join(folder, '.file') });
  t.is(set.train.size, 12);
});
