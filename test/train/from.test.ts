import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  compile,
  createRun,
  grow,
  joinedClasses,
  loadImages,
  loadModel,
  openRun,
  Predictor,
  type Program,
  ratesOfStep,
  Session,
  TinytrainError,
  train,
  withClasses,
} from '#tinytrain';
import { tinytrain } from '../helpers/cli.js';
import { images, smallSet, temporary } from '../helpers/folder.js';

const scheme = 'bias:4,19:1/2';

async function prepared(t: ExecutionContext, residualBits = 4) {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  const model = await loadModel();
  const data = await loadImages(join(folder, 'images'), model.input);
  const program = await compile(model, data, { scheme, residualBits });
  return { folder, model, data, program };
}

const wider = { 'train/ant': 6, 'test/ant': 3, 'train/dog': 6, 'test/dog': 3 };

/** The bytes of each tensor of the state at the start, by name. */
function tensorsOf(program: Program): Map<string, Uint8Array> {
  const state = program.initialState();
  return new Map(program.record.states.map(s => [s.name, state.slice(s.offset, s.offset + s.bytes)]));
}

test('a Program that starts with what was learned goes on exactly where training was', async t => {
  const { data, program } = await prepared(t);
  const { state, checksum } = await train(program, data, { steps: 40, keep: 'last' });
  const learned = program.withState(state);
  t.deepEqual(Buffer.from(learned.initialState()), Buffer.from(state.bytes));
  t.notDeepEqual(Buffer.from(program.initialState()), Buffer.from(state.bytes));
  t.not(learned.hash, program.hash);
  t.is(learned.family, program.family);
  t.deepEqual(learned.record.steps, program.record.steps);
  const [one, other] = [new Session(program), new Session(learned)];
  one.restore(state.bytes, 0);
  for (let i = 0; i < 10; i++) {
    const [sample, label] = [data.train.sample(i), data.train.labels[i] ?? 0];
    const rates = ratesOfStep({ head: 0.01, backbone: 0.01 }, 10, i);
    t.deepEqual(other.trainStep(sample, label, rates), one.trainStep(sample, label, rates));
  }
  t.deepEqual(Buffer.from(other.state()), Buffer.from(one.state()));
  const again = await train(learned, data, { steps: 5, lr: 0.001 });
  t.not(again.checksum, checksum);
  t.deepEqual(again.accuracy.before, (await train(learned, data, { steps: 1, lr: 0.001 })).accuracy.before);
  // Programs of one family take each other's states, whatever they start with.
  t.is(program.withState(again.state).hash, learned.withState(again.state).hash);
});

test('a run has the state of its result, and neither needs a folder to predict', async t => {
  const { folder, data, program } = await prepared(t);
  const run = await createRun(join(folder, 'run'));
  await t.throwsAsync(run.state(), { instanceOf: TinytrainError, code: 'RUN_UNTRAINED' });
  const result = await train(program, data, { steps: 60, run });
  t.deepEqual(await (await openRun(run.path)).state(), result.state);
  const predictor = Predictor.of(program.withState(result.state));
  const found = await predictor.predictAll(data.test);
  t.deepEqual(found, await (await Predictor.open(run)).predictAll(data.test));
  const right = found.filter(({ label }, i) => label === data.test.labels[i]).length;
  t.is(right / found.length, result.accuracy.after);
});

test('the state of another Program is refused in one sentence', async t => {
  const { data, model, program } = await prepared(t);
  const { state } = await train(program, data, { steps: 2 });
  const others = [{ scheme: 'bias:4,18:1/2' }, { scheme, seed: 1 }, { scheme, residualBits: 8 }];
  for (const options of others) {
    const other = await compile(model, data, options);
    const error = t.throws(() => other.withState(state), { instanceOf: TinytrainError });
    t.is(error.code, 'STATE_DIFFERS');
    t.regex(error.message, /^the state belongs to another program: [^\n]+$/);
  }
  const cut = { ...state, bytes: state.bytes.subarray(1) };
  t.throws(() => program.withState(cut), { instanceOf: TinytrainError, code: 'SIZE_MISMATCH' });
});

test('a head grows: what it knew stays bit for bit, a new class starts as a fresh one does', async t => {
  const { folder, data, model, program } = await prepared(t);
  const { state } = await train(program, data, { steps: 40 });
  const learned = program.withState(state);
  await images(join(folder, 'wider'), wider);
  const found = await loadImages(join(folder, 'wider'), model.input);
  t.deepEqual(found.classes, ['ant', 'dog']);
  const classes = joinedClasses(learned.classes, found.classes);
  t.deepEqual(classes, ['cat', 'dog', 'ant']);
  const more = withClasses(found, classes);
  const named = (label: number) => more.classes[label];
  t.deepEqual(
    Array.from(more.train.labels, named),
    Array.from(found.train.labels, label => found.classes[label]),
  );
  const grown = await grow(learned, model, more);
  t.deepEqual(grown.classes, classes);
  const [before, after] = [tensorsOf(learned), tensorsOf(grown)];
  const fresh = tensorsOf(await compile(model, more, { scheme }));
  t.deepEqual([...after.keys()], [...before.keys()]);
  for (const [name, bytes] of before) {
    const now = Buffer.from(after.get(name) ?? []);
    t.deepEqual(now.subarray(0, bytes.length), Buffer.from(bytes), name);
    t.deepEqual(now.subarray(bytes.length), Buffer.from(fresh.get(name) ?? []).subarray(bytes.length), name);
  }
  t.is(after.get('head_bias')?.length, 12);
  // What it knew, it still tells apart: the scores of its classes keep their order.
  const [one, other] = [Predictor.of(learned), Predictor.of(grown)];
  const [two, three] = [await one.predictAll(data.test), await other.predictAll(data.test)];
  for (const [i, { scores }] of two.entries()) {
    const [cat = 0, dog = 0] = three[i]?.scores ?? [];
    t.is(cat < dog, (scores[0] ?? 0) < (scores[1] ?? 0));
  }
  const refused = (work: Promise<unknown>, code: string) => t.throwsAsync(work, { instanceOf: TinytrainError, code });
  await refused(grow(learned, model, found), 'CLASSES_DIFFER');
  await refused(
    grow(learned, await loadModel(undefined, { normalisation: { mean: [1], std: [9] } }), more),
    'MODEL_DIFFERS',
  );
});

test('at the terminal: on from a run with its images, with others, with a new class', async t => {
  const { folder } = await prepared(t);
  await images(join(folder, 'wider'), wider);
  const work = async (...args: string[]) => {
    const { code, stdout, stderr } = await tinytrain([...args, '--json'], folder);
    t.is(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const first = await work('train', '--data', 'images', '--scheme', scheme, '--steps', '60', '--out', 'first');
  t.false('state' in first);
  const second = await work('train', '--from', 'first', '--steps', '30', '--out', 'second');
  t.is(second.accuracy.before, first.accuracy.after);
  t.is(second.loss.before, first.loss.after);
  t.is(second.scheme, first.scheme);
  t.not(second.program, first.program);
  const third = await work('train', '--from', 'second', '--data', 'wider', '--steps', '300', '--out', 'third');
  t.deepEqual(third.data.classes, ['cat', 'dog', 'ant']);
  t.is(third.accuracy.byClass[2].samples, 3);
  // It needs nothing of where it came from, and its images get its labels when they are read again.
  await fs.rm(join(folder, 'first'), { recursive: true });
  await fs.rm(join(folder, 'second'), { recursive: true });
  const again = await work('train', '--resume', 'third');
  t.is(again.checksum, third.checksum);
  t.deepEqual(again.confusion, third.confusion);
  const { classes, predictions } = await work('predict', 'third', 'wider/test/ant');
  t.deepEqual(classes, ['cat', 'dog', 'ant']);
  t.is(predictions.length, 3);
});

test('at the terminal: what does not go together is said in one sentence', async t => {
  const { folder } = await prepared(t);
  for (const [args, code, message] of [
    [['train', '--from', 'nowhere'], 1, /nowhere: there is no training run here/],
    [['train', '--from', 'a', '--scheme', 'full'], 2, /from.*scheme|scheme.*from/],
    [['train', '--from', 'a', '--resume', 'b'], 2, /from.*resume|resume.*from/],
    [['compile', '--run', 'a', '--data', 'images'], 2, /run.*data|data.*run/],
    [['compile', '--run', 'nowhere'], 1, /nowhere: there is no training run here/],
  ] as const) {
    const found = await tinytrain(args, folder);
    t.is(found.code, code, found.stderr);
    t.regex(found.stderr, message);
  }
});
