import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  compile,
  exportTflite,
  imageFolder,
  joinedClasses,
  loadImages,
  loadModel,
  Predictor,
  type Program,
  TinytrainError,
  train,
  withClasses,
} from '#tinytrain';
import { tinytrain } from '../helpers/cli.js';
import { images, smallSet, temporary } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';
import { shared, withShared } from '../helpers/shared.js';

/** A model that was adapted to cats and dogs and written to a file. */
async function adapted(t: ExecutionContext) {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  const model = await loadModel(undefined, { normalisation: { mean: [-20], std: [400] } });
  const data = await loadImages(join(folder, 'images'), model.input);
  const program = await compile(model, data, { scheme: 'bias:4,19:1/2' });
  const result = await train(program, data, { steps: 60 });
  const learned = program.withState(result.state);
  const path = join(folder, 'adapted.tflite');
  await fs.writeFile(path, await exportTflite(learned, model));
  return { folder, model, data, result, learned, path };
}

/** The bytes of a class's weights in the head with which a Program starts. */
function rowOf(program: Program, label: number): Buffer {
  const weights = program.record.states.find(({ kind }) => kind === 'headWeights');
  const bytes = (weights?.bytes ?? 0) / program.classes.length;
  return Buffer.from(program.initialState())
    .subarray((weights?.offset ?? 0) + label * bytes)
    .subarray(0, bytes);
}

async function refused(t: ExecutionContext, work: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await t.throwsAsync(work, { instanceOf: TinytrainError, code: 'HEAD_UNKNOWN' });
  t.regex(error.message, message);
  t.false(error.message.includes('\n'));
}

test('a model that was adapted starts where it ended, with its names, its normalisation and its classes', async t => {
  const { data, learned, path, result } = await adapted(t);
  const model = await loadModel(path);
  t.deepEqual(model.description.labels, ['cat', 'dog']);
  t.deepEqual([model.input.mean, model.input.std], [[-20], [400]]);
  t.false(model.description.input.guessed);
  const program = await compile(model, data);
  const found = await Predictor.of(program).predictAll(data.test);
  t.deepEqual(found, await Predictor.of(learned).predictAll(data.test));
  const again = await train(program, data, { steps: 1, lr: 0.001 });
  t.is(again.accuracy.before, result.accuracy.after);
  t.is(again.loss.before, result.loss.after);
});

test('classes of the model are found by name, others start at random', async t => {
  const { folder, learned, path } = await adapted(t);
  await images(join(folder, 'wider'), { 'train/ant': 4, 'test/ant': 2, 'train/dog': 4, 'test/dog': 2 });
  const model = await loadModel(path);
  const data = await loadImages(join(folder, 'wider'), model.input);
  const auto = await compile(model, data);
  const fresh = await compile(model, data, { head: 'fresh' });
  t.deepEqual(auto.classes, ['ant', 'dog']);
  t.deepEqual(rowOf(auto, 0), rowOf(fresh, 0));
  t.deepEqual(rowOf(auto, 1), rowOf(learned, 1));
  t.notDeepEqual(rowOf(auto, 1), rowOf(fresh, 1));
  const mapped = await compile(model, data, { map: { ant: 0 } });
  t.deepEqual([rowOf(mapped, 0), rowOf(mapped, 1)], [rowOf(learned, 0), rowOf(learned, 1)]);
  const strangers = withClasses(data, joinedClasses(['bee'], data.classes));
  t.deepEqual(rowOf(await compile(model, strangers), 2), rowOf(learned, 1));
  await refused(
    t,
    compile(model, data, { map: { bee: 0 } }),
    /--map names the class bee, which the images do not have/,
  );
  await refused(
    t,
    compile(model, data, { map: { ant: 2 } }),
    /--map gives ant the number 2, but the model has 2 classes/,
  );
  const nameless = await loadModel();
  await refused(t, compile(nameless, data, { head: 'keep' }), /none of its own classes is known|no classifier/);
});

test('at the terminal: export, and on from the file', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  const work = async (...args: string[]) => {
    const { code, stdout, stderr } = await tinytrain([...args, '--json'], folder);
    t.is(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const first = await work('train', '--data', 'images', '--scheme', 'bias:4', '--steps', '60', '--out', 'first');
  const { classes, written } = await work('export', 'first', '--tflite', 'out/a.tflite', '--npz', 'out/a.npz');
  t.deepEqual(classes, ['cat', 'dog']);
  for (const { path, bytes } of written) t.is((await fs.stat(join(folder, path))).size, bytes);
  t.deepEqual((await work('inspect', 'out/a.tflite')).labels, ['cat', 'dog']);
  const second = await work('train', '--model', 'out/a.tflite', '--data', 'images', '--steps', '10', '--out', 'second');
  t.is(second.accuracy.before, first.accuracy.after);
  const { code, stderr } = await tinytrain(['export', 'first'], folder);
  t.is(code, 2);
  t.regex(stderr, /--tflite FILE, --npz FILE or both/);
  const text = await tinytrain(['train', '--model', 'out/a.tflite', '--data', 'images', '--steps', '2'], folder);
  t.regex(text.stdout, /starts with its own cat, dog/);
});

for (const [file, folder, map, before] of [
  ['person_detect.tflite', 'person', { background: 0, person: 1 }, 0.748],
  ['vww_96_int8.tflite', 'person', { background: 0, person: 1 }, 0.828],
] as const) {
  withShared(`models/${file}`, `the classifier of ${file} is kept`, async t => {
    const model = await loadModel(shared(`models/${file}`));
    const onProgress = patient(t);
    const source = await imageFolder(shared(`data/${folder}`));
    // All to be tested, and enough to calibrate on.
    const train = Array.from({ length: 40 }, (_, i) => i * 20);
    const only = { train, test: Array.from(source.parts.test.keys()) };
    const data = await source.read(model.input, { only, onProgress });
    const [kept, fresh] = [await compile(model, data, { map }), await compile(model, data)];
    const right = async (program: Program) => {
      const found = await Predictor.of(program).predictAll(data.test);
      return found.filter(({ label }, i) => label === data.test.labels[i]).length / found.length;
    };
    const accuracy = await right(kept);
    t.true(Math.abs(accuracy - before) < 0.002, `${accuracy}`);
    t.true((await right(fresh)) < before);
    // The same classes as the model itself sees.
    const found = await Predictor.of(kept).predictAll(data.test);
    let same = 0;
    for (let i = 0; i < 200; i++) {
      const [own] = (await model.forward(data.test.sample(i))).outputs;
      same += Number((own?.[1] ?? 0) > (own?.[0] ?? 0) === (found[i]?.label === 1));
    }
    t.true(same >= 198, `${same} of 200`);
  });
}
