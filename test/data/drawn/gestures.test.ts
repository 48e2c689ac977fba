import { createHash } from 'node:crypto';
import test from 'ava';
import {
  compile,
  drawnGestures,
  embeddedModels,
  loadModel,
  type Model,
  type SampleSet,
  type SampleSource,
  TinytrainError,
  train,
} from '#tinytrain';
import { schemesOfTasks } from '#tinytrain/cli/demo.js';
import { gesture, held, worn } from '#tinytrain/data/drawn/gestures/set.js';
import { openSource } from '#tinytrain/data/open.js';
import { temporary } from '../../helpers/folder.js';

/** The embedded network, fed with what a source yields, and its samples. */
async function opened(source: SampleSource): Promise<{ model: Model; data: SampleSet }> {
  const plain = await loadModel(embeddedModels.gestures);
  const scale = await source.normalise?.(plain.input, plain.input);
  if (!scale) throw new TypeError('the source holds no series');
  const model = plain.withSeries(scale);
  return { model, data: await source.read(model.input) };
}

test('what is drawn is the same on every machine', t => {
  const hash = createHash('sha256');
  for (const occasion of [held, worn]) {
    for (let label = 0; label < occasion.shapes.length; label++) {
      const { values } = gesture(occasion, [1, 'train', label, 7], 96);
      t.true(values.every(value => Number.isInteger(value) && Math.abs(value) <= 32768));
      hash.update(Int16Array.from(values));
    }
  }
  t.is(hash.digest('hex'), 'f3d71f3eb641b31566499ac9ffe160308a019322d14a5ecda24bd0dc9adaaa67');
});

test('a gesture depends on seed, split, class and index alone', async t => {
  const cacheFolder = await temporary(t);
  const { model, data } = await opened(drawnGestures({ seed: 3, trainPerClass: 4, testPerClass: 2 }));
  t.deepEqual([data.classes.length, data.train.size, data.test.size], [10, 40, 20]);
  t.is(data.origin?.kind, 'drawn');
  const again = await openSource(JSON.parse(JSON.stringify(data.origin)), data.hash, cacheFolder);
  const part = await again.read(model.input, { cacheFolder, only: { train: [17, 4], test: [9] } });
  t.deepEqual(part.train.sample(0), data.train.sample(17));
  t.deepEqual(part.train.sample(1), data.train.sample(4));
  t.deepEqual(part.test.sample(0), data.test.sample(9));
  t.notDeepEqual(part.test.sample(0), data.train.sample(9));
  const more = drawnGestures({ seed: 3, trainPerClass: 5, testPerClass: 2 });
  t.deepEqual((await more.read(model.input, { cacheFolder })).train.sample(17), data.train.sample(17));
  const raw = await again.raw?.('train', 17, model.input);
  t.deepEqual([...(raw ?? [])], [...gesture(worn, [3, 'train', 7, 1], 96).values]);
});

test('a model whose input is no series of six values is told so', async t => {
  const { input } = await loadModel();
  const error = await t.throwsAsync(async () => drawnGestures().normalise?.(input, input), {
    instanceOf: TinytrainError,
    code: 'INPUT_SHAPE',
  });
  t.regex(error?.message ?? '', /drawn gestures are at least 16 rows of 6 values; the model takes 64x64x3/);
});

test('a head alone is at least 15 points below a scheme that trains layers too, three seeds each', async t => {
  const { model, data } = await opened(drawnGestures());
  const accuracies = async (scheme: string): Promise<number[]> => {
    const found: number[] = [];
    for (const seed of [0, 1, 2]) {
      const program = await compile(model, data, { scheme, seed });
      found.push((await train(program, data, { epochs: 3 })).accuracy.after);
    }
    t.log(scheme, found.map(share => share.toFixed(3)).join(' / '));
    return found;
  };
  const [head, layers] = [await accuracies('head'), await accuracies(schemesOfTasks.gestures)];
  t.true(Math.min(...layers) - Math.max(...head) >= 0.15);
});
