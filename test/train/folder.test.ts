import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  compile,
  createRun,
  defaultModelPath,
  type ErrorCode,
  loadImages,
  loadModel,
  openRun,
  Predictor,
  TinytrainError,
  train,
} from '#tinytrain';
import { smallSet, temporary } from '../helpers/folder.js';

/** A run of a model whose input is normalised in a way that no one would guess. */
async function trained(t: ExecutionContext, steps = 40) {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  await fs.copyFile(defaultModelPath, join(folder, 'model.tflite'));
  const model = await loadModel(join(folder, 'model.tflite'), { normalisation: { mean: [10], std: [400] } });
  const data = await loadImages(join(folder, 'images'), model.input);
  const program = await compile(model, data, { scheme: 'bias:4,19:1/2' });
  const path = join(folder, 'run');
  const result = await train(program, data, { steps, run: await createRun(path) });
  return { folder, data, program, path, result };
}

async function refused(t: ExecutionContext, work: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  const error = await t.throwsAsync(work, { instanceOf: TinytrainError });
  t.is(error.code, code);
  t.regex(error.message, message);
  t.false(error.message.includes('\n'));
}

test('a run remembers how its input is normalised: what it predicts is what it said', async t => {
  const { data, path, result } = await trained(t);
  const predictor = await Predictor.open(await openRun(path));
  t.deepEqual([predictor.input.mean, predictor.input.std], [[10], [400]]);
  const found = await predictor.predict(data.test.names);
  const right = found.filter(({ label }, i) => label === data.test.labels[i]).length;
  t.is(right / found.length, result.accuracy.after);
  const samples = await (await openRun(path)).samples();
  t.is(samples.test.hash(), data.test.hash());
});

test('a run needs neither its model nor a compiler: both may be gone, and the images that are not used', async t => {
  const { folder, data, program, path, result } = await trained(t);
  const kept = join(folder, 'photo.png');
  await fs.copyFile(data.test.names[0] ?? '', kept);
  await fs.rm(join(folder, 'model.tflite'));
  await fs.rename(join(folder, 'images'), join(folder, 'elsewhere'));
  t.deepEqual((await fs.readdir(path)).sort(), ['program.ttp', 'result.json', 'run.json', 'state.json']);
  const run = await openRun(path);
  const [photo] = await (await Predictor.open(run)).predict([kept]);
  t.true(program.classes.includes(photo?.class ?? ''));
  t.is((await run.program()).hash, program.hash);
  t.deepEqual((await run.program()).memory, program.memory);
  const { state, ...rest } = result;
  t.deepEqual(await run.result(), JSON.parse(JSON.stringify(rest)));
  t.deepEqual(await run.state(), state);
  // What was decoded is still in the cache.
  const { plan } = await run.record();
  const again = await train(await run.program(), await run.samples(), { ...plan, run });
  t.is(again.checksum, result.checksum);
  t.deepEqual(again.accuracy, result.accuracy);
});

test('images that have changed since are refused, not taken from the cache', async t => {
  const { data, path } = await trained(t, 2);
  await fs.utimes(data.train.names[0] ?? '', new Date(0), new Date(0));
  const run = await openRun(path);
  const { plan } = await run.record();
  const work = train(await run.program(), await run.samples(), { ...plan, run });
  await refused(t, work, 'RUN_DIFFERS', /samples differ from before/);
});

test('files of a run that were cut short or changed are refused in one sentence', async t => {
  const { path } = await trained(t, 4);
  const run = () => openRun(path);
  const predict = async () => Predictor.open(await run());
  const result = async () => (await run()).result();
  const program = async () => (await run()).program();
  const cases: readonly (readonly [string, (text: string) => string, () => Promise<unknown>, RegExp])[] = [
    ['run.json', text => text.slice(0, -20), run, /run\.json: not a valid record of a training run: not JSON/],
    ['run.json', () => '{"format":1}', run, /format 1; this version of tinytrain reads format 6/],
    ['run.json', text => text.replace('"lrHead": "auto"', '"lrHead": 0.0017'), run, /it was changed after/],
    ['run.json', text => text.replace('400', '401'), run, /it was changed after/],
    ['state.json', text => text.slice(0, 200), predict, /not a valid state of a training run: not JSON/],
    ['state.json', text => text.replace('"steps": 4', '"steps": 3'), predict, /it was changed after/],
    [
      'state.json',
      text => text.replace(/("state": "[^"]{40})(.)/, (_, start, one) => start + (one === 'A' ? 'B' : 'A')),
      predict,
      /it was changed after/,
    ],
    ['state.json', () => '{}', predict, /format is missing/],
    ['result.json', text => text.replace('"seconds": ', '"seconds": 1'), result, /it was changed after/],
    ['result.json', () => '7', result, /not a valid result of a training run/],
  ];
  for (const [name, change, work, message] of cases) {
    const file = join(path, name);
    const whole = await fs.readFile(file, 'utf8');
    const changed = change(whole);
    t.not(changed, whole);
    await fs.writeFile(file, changed);
    await refused(t, work(), 'RUN_BROKEN', message);
    await fs.writeFile(file, whole);
    await t.notThrowsAsync(work());
  }
  const file = join(path, 'program.ttp');
  const bytes = await fs.readFile(file);
  for (const damage of [bytes.subarray(0, bytes.length - 1), bytes.subarray(0, 10), Buffer.from('{}')]) {
    await fs.writeFile(file, damage);
    await refused(t, program(), 'PROGRAM_BROKEN', /program\.ttp: /);
  }
  const flipped = Buffer.from(bytes);
  flipped[bytes.length >> 1] = (flipped[bytes.length >> 1] ?? 0) ^ 1;
  await fs.writeFile(file, flipped);
  await refused(t, program(), 'PROGRAM_BROKEN', /program\.ttp: /);
  await fs.rm(file);
  await refused(t, program(), 'FILE_ERROR', /program\.ttp: the program cannot be read: it does not exist/);
});

test('files of different runs do not go together', async t => {
  const one = await trained(t, 4);
  const model = await loadModel(join(one.folder, 'model.tflite'));
  const data = await loadImages(join(one.folder, 'images'), model.input);
  const other = join(one.folder, 'other');
  await train(await compile(model, data), data, { steps: 4, run: await createRun(other) });
  await fs.copyFile(join(other, 'program.ttp'), join(one.path, 'program.ttp'));
  await refused(t, (await openRun(one.path)).program(), 'PROGRAM_DIFFERS', /not the program that the record beside/);
  await fs.copyFile(join(other, 'state.json'), join(one.path, 'state.json'));
  await refused(t, Predictor.open(await openRun(one.path)), 'RUN_BROKEN', /not the state of the run/);
});

test('a run of another version of tinytrain is not gone on with', async t => {
  const { path, data } = await trained(t, 4);
  const record = await (await openRun(path)).record();
  // As that version would have written it.
  const fields = { format: 6, tinytrain: '0.0.1', ...record };
  const sha256 = createHash('sha256').update(JSON.stringify(fields)).digest('hex');
  await fs.writeFile(join(path, 'run.json'), JSON.stringify({ ...fields, sha256 }));
  const run = await openRun(path);
  const work = train(await run.program(), data, { ...record.plan, run });
  await refused(t, work, 'RUN_VERSION', /started with another version of tinytrain, 0\.0\.1/);
});
