import { join } from 'node:path';
import test from 'ava';
import {
  Compiler,
  compile,
  defaultImages,
  grow,
  loadModel,
  Predictor,
  type SampleSet,
  TinytrainError,
  train,
} from '#tinytrain';
import { keptSamples } from '#tinytrain/program/replay.js';
import { tinytrain } from '../helpers/cli.js';
import { images, temporary } from '../helpers/folder.js';

/** The samples whose labels are in a range, under the first `classes` classes. */
function only(data: SampleSet, from: number, to: number, classes: number): SampleSet {
  const part = (set: SampleSet['train']) => {
    const label = (i: number) => set.labels[i] ?? -1;
    return set.subset(Array.from(set.labels.keys()).filter(i => label(i) >= from && label(i) < to));
  };
  const { validation: _validation, ...rest } = data;
  return { ...rest, classes: data.classes.slice(0, classes), train: part(data.train), test: part(data.test) };
}

test('with a few kept samples a class, five classes are still known after five others were learned', async t => {
  const model = await loadModel();
  const all = await defaultImages(model.input, { trainPerClass: 60, testPerClass: 20 });
  const known = only(all, 0, 5, 5);
  const first = await compile(model, known, { scheme: 'bias:4,18:1,17:1', replay: 30 });
  t.deepEqual(keptSamples(first), [0, 0, 0, 0, 0]);
  const begun = await train(first, known, { steps: 1500, lr: 0.01 });
  const learned = first.withState(begun.state);
  t.deepEqual(keptSamples(learned), [6, 6, 6, 6, 6]);

  const next = only(all, 5, 10, 10);
  const grown = await grow(learned, model, next);
  t.deepEqual(keptSamples(grown), [6, 6, 6, 6, 6, 0, 0, 0, 0, 0]);
  const accuracyOf = async (replaySteps: number) => {
    const run = await train(grown, next, { steps: 1500 * (1 + replaySteps), lr: 0.01, replaySteps });
    const after = grown.withState(run.state);
    const predictor = Predictor.of(after);
    const right = async (data: SampleSet) => {
      const found = await predictor.predictAll(data.test);
      return found.filter(({ label }, i) => label === data.test.labels[i]).length / found.length;
    };
    const forgets = run.warnings.some(({ code }) => code === 'FORGETTING');
    return { kept: keptSamples(after), old: await right(only(all, 0, 5, 10)), fresh: await right(next), forgets };
  };
  const [without, replayed] = [await accuracyOf(0), await accuracyOf(1)];
  t.log(without, replayed);
  t.true(without.forgets && !replayed.forgets);
  t.true(without.old < 0.2, `${without.old}`);
  t.true(replayed.old > 0.5 && replayed.fresh > 0.7, `${replayed.old}, ${replayed.fresh}`);
  t.deepEqual(
    replayed.kept,
    Array.from(all.classes, () => 3),
  );
});

test('a buffer has the bytes of the narrowest cut of the frozen layers', async t => {
  const model = await loadModel();
  const data = await defaultImages(model.input, { trainPerClass: 2, testPerClass: 1 });
  const compiler = await Compiler.create(model, data);
  const places = 9;
  for (const scheme of ['head', 'bias:4', 'full']) {
    const [none, some] = [await compiler.compile({ scheme }), await compiler.compile({ scheme, replay: places })];
    const kept = some.record.replay;
    t.is(none.replay, 0);
    t.is(some.replay, places);
    t.is(
      kept?.sampleBytes,
      kept?.live.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    if (scheme === 'full') t.is(kept?.sampleBytes, model.input.height * model.input.width * model.input.channels);
    const item = some.memory.items.find(({ name }) => name === 'replay buffer');
    t.is(item?.bytes, places * ((kept?.sampleBytes ?? 0) + 2) + 8 * data.classes.length);
    t.is(some.record.arenaBytes, none.record.arenaBytes);
  }
});

test('what cannot be replayed is refused in one sentence', async t => {
  const folder = await temporary(t);
  const data = join(folder, 'images');
  await images(data, { 'train/cat': 3, 'train/dog': 3, 'test/cat': 2, 'test/dog': 2 });
  const model = await loadModel();
  const set = await defaultImages(model.input, { trainPerClass: 1, testPerClass: 1 });
  const error = await t.throwsAsync(train(await compile(model, set), set, { steps: 2, replaySteps: 1 }));
  t.true(error instanceof TinytrainError && error.code === 'OPTION_INVALID');
  const cases = [
    [['train', '--replay-steps', '1'], 2, /no replay buffer[\s\S]*--replay/],
    [['compile', '--replay', '5', '--feed', 'rows'], 1, /replay buffer for samples that come in row by row/],
    [['train', '--replay', '-1'], 2, /replay/],
    [['compile', '--replay', '60000', '--scheme', 'full'], 1, /bytes/],
  ] as const;
  for (const [args, status, text] of cases) {
    const found = await tinytrain([...args, '--data', data, '--out', join(folder, 'out')], folder);
    t.is(found.code, status, `${args.join(' ')}: ${found.stderr}`);
    t.regex(found.stderr, text);
  }
});
