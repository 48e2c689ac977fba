import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  type CompileOptions,
  compile,
  createRun,
  loadImages,
  loadModel,
  type Model,
  openRun,
  Predictor,
  type Program,
  type SampleSet,
  TinytrainError,
  train,
} from '#tinytrain';
import { smallSet, temporary } from '../helpers/folder.js';

async function prepared(
  t: ExecutionContext,
  options: CompileOptions = { scheme: 'bias:4,19:1/2' },
): Promise<{ folder: string; model: Model; data: SampleSet; program: Program }> {
  const folder = await temporary(t);
  await smallSet(join(folder, 'samples'), 8, 4);
  const model = await loadModel();
  const data = await loadImages(join(folder, 'samples'), model.input);
  return { folder, model, data, program: await compile(model, data, options) };
}

test('the same run twice gives the same bits, for any number of threads, with and without the cache', async t => {
  const { data, program } = await prepared(t);
  const one = await train(program, data, { steps: 40, seed: 3, threads: 1, cacheBytes: 0 });
  const two = await train(program, data, { steps: 40, seed: 3, threads: 5 });
  const timeless = ({ rates, ...rest }: typeof one) => ({ ...rest, seconds: 0, rates: { ...rates, seconds: 0 } });
  t.deepEqual(timeless(two), timeless(one));
  t.not((await train(program, data, { steps: 40, seed: 4 })).checksum, one.checksum);
});

test('a result holds what a user asks for', async t => {
  const { data, program } = await prepared(t);
  const result = await train(program, data, { epochs: 3 });
  t.is(result.steps, 48);
  t.is(result.curve.at(-1)?.step, 48);
  t.true(result.accuracy.after >= 0 && result.accuracy.after <= 1);
  t.is(result.accuracy.samples, 8);
  t.regex(result.checksum, /^[0-9a-f]{64}$/);
  const sram = result.memory.items.filter(item => item.region === 'sram').reduce((sum, item) => sum + item.bytes, 0);
  t.is(sram, result.memory.sram.total);
});

test('a run that is stopped and resumed ends with the bits of one that was not', async t => {
  const { folder, data, program } = await prepared(t);
  const whole = await train(program, data, { steps: 60, augment: { flip: true, shift: 4, crop: 0.3, jitter: 0.4 } });
  const path = join(folder, 'run');
  const controller = new AbortController();
  const options = { steps: 60, augment: { flip: true, shift: 4, crop: 0.3, jitter: 0.4 } };
  const stopped = train(program, data, {
    ...options,
    run: await createRun(path),
    signal: controller.signal,
    onProgress: ({ phase, done }) => {
      if (phase === 'training' && done > 5) controller.abort();
    },
  });
  t.is((await t.throwsAsync(stopped, { instanceOf: TinytrainError })).code, 'ABORTED');

  const run = await openRun(path);
  const at = JSON.parse(await fs.readFile(join(path, 'state.json'), 'utf8')).checkpoint.steps;
  t.true(at > 5 && at < 60, `stopped after ${at}`);
  const { plan } = await run.record();
  const resumed = await train(await run.program(), await run.samples(), { ...plan, run });
  t.is(resumed.checksum, whole.checksum);
  t.deepEqual(resumed.curve, whole.curve);
  t.deepEqual(resumed.accuracy, whole.accuracy);
  t.deepEqual(resumed.saturation, whole.saturation);
});

test('a run is not overwritten, and not continued with anything else', async t => {
  const { folder, data, program } = await prepared(t);
  const path = join(folder, 'run');
  await train(program, data, { steps: 2, run: await createRun(path) });
  t.is((await t.throwsAsync(createRun(path), { instanceOf: TinytrainError })).code, 'RUN_EXISTS');
  const other = train(program, data, { steps: 3, run: await openRun(path) });
  const error = await t.throwsAsync(other, { instanceOf: TinytrainError });
  t.is(error.code, 'RUN_DIFFERS');
  t.deepEqual(error.details['differing'], ['plan']);
});

test('a trained run predicts what it said of its test samples', async t => {
  const { folder, data, program } = await prepared(t);
  const path = join(folder, 'run');
  const result = await train(program, data, { steps: 40, run: await createRun(path) });
  const predictor = await Predictor.open(await openRun(path));
  const found = await predictor.predict(data.test.names);
  const right = found.filter(({ label }, i) => label === data.test.labels[i]).length;
  t.is(right / found.length, result.accuracy.after);
  t.true(found.every(({ scores }) => Math.abs(scores.reduce((a, b) => a + b, 0) - 1) < 1e-6));
  t.deepEqual(predictor.classes, ['cat', 'dog']);
});

test('the record of a run survives a broken state', async t => {
  const { folder, data, program } = await prepared(t);
  const path = join(folder, 'run');
  await train(program, data, { steps: 2, run: await createRun(path) });
  await fs.writeFile(join(path, 'state.json'), '{');
  const error = await t.throwsAsync(Predictor.open(await openRun(path)), { instanceOf: TinytrainError });
  t.is(error.code, 'RUN_BROKEN');
});

test('several programs train at once', async t => {
  const { model, data, program } = await prepared(t);
  const other = await compile(model, data, { scheme: 'head', residualBits: 8 });
  const alone = [await train(program, data, { steps: 20 }), await train(other, data, { steps: 20 })];
  const together = await Promise.all([program, other, program].map(p => train(p, data, { steps: 20 })));
  t.deepEqual(
    together.map(({ checksum }) => checksum),
    [alone[0], alone[1], alone[0]].map(r => r?.checksum),
  );
});

test('wrong options are refused', async t => {
  const { model, data, program } = await prepared(t);
  for (const options of [
    { steps: 0 },
    { steps: 1.5 },
    { lr: 0 },
    { lr: Number.NaN },
    { lrHead: 65 },
    { augment: { shift: -1 } },
  ]) {
    const error = await t.throwsAsync(train(program, data, options), { instanceOf: TinytrainError });
    t.is(error.code, 'OPTION_INVALID');
  }
  const bits = await t.throwsAsync(compile(model, data, { residualBits: 3 }), { instanceOf: TinytrainError });
  t.is(bits.code, 'OPTION_INVALID');
});
