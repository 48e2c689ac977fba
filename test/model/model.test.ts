import { readFileSync } from 'node:fs';
import test from 'ava';
import { Compiler, defaultModelPath, loadModel, supportedOperators, TinytrainError } from '#tinytrain';
import { inputOf } from '#tinytrain/model/input.js';

test('the default model opens and says what it is', async t => {
  const model = await loadModel();
  const { layers, totals } = model.description;
  const sum = (of: (layer: (typeof layers)[number]) => number) => layers.reduce((total, layer) => total + of(layer), 0);
  t.is(
    sum(layer => layer.macs),
    totals.macs,
  );
  t.is(
    sum(layer => layer.weights),
    totals.weights,
  );
  t.is(model.input.tables.length, model.input.channels);
});

test('a forward pass yields the outputs, and every tensor if asked for', async t => {
  const model = await loadModel();
  const input = new Int8Array(model.input.height * model.input.width * model.input.channels).fill(7);
  const lean = await model.forward(input);
  t.is(lean.tensors.size, 0);
  const whole = await model.forward(input, { tensors: true });
  t.deepEqual(whole.outputs, lean.outputs);
  t.true([...whole.tensors.values()].some(tensor => Buffer.from(tensor).equals(Buffer.from(input))));
  t.true([...whole.tensors.values()].some(tensor => Buffer.from(tensor).equals(Buffer.from(whole.outputs[0] ?? []))));
});

test('forward passes may run at once', async t => {
  const model = await loadModel();
  const length = model.input.height * model.input.width * model.input.channels;
  const inputs = [1, 2, 3, 4].map(value => new Int8Array(length).fill(value));
  const alone = [];
  for (const input of inputs) alone.push((await model.forward(input)).outputs);
  t.deepEqual(
    (await Promise.all(inputs.map(input => model.forward(input)))).map(({ outputs }) => outputs),
    alone,
  );
});

test('an input of the wrong size is an error with its sizes', async t => {
  const model = await loadModel();
  const error = await t.throwsAsync(model.forward(new Int8Array(5)), { instanceOf: TinytrainError });
  t.is(error.code, 'SIZE_MISMATCH');
  t.is(error.details['found'], 5);
});

test('what is no model is refused with a code', async t => {
  const error = await t.throwsAsync(loadModel(new URL(import.meta.url).pathname), { instanceOf: TinytrainError });
  t.is(error.code, 'MODEL_FORMAT');
});

test('a model opens from its bytes, and is the same', async t => {
  const bytes = readFileSync(defaultModelPath);
  const [found, same] = [await loadModel(bytes, { path: 'some/mine.tflite' }), await loadModel()];
  t.is(found.hash, same.hash);
  t.deepEqual(found.description, { ...same.description, name: 'mine' });
  t.regex(found.origin.path, /some[\\/]mine.tflite$/);
  const broken = await t.throwsAsync(loadModel(bytes.subarray(0, 1000)), { instanceOf: TinytrainError });
  t.regex(broken.message, /^model: /);
  const none = await t.throwsAsync(loadModel(7 as never), { instanceOf: TinytrainError });
  t.is(none.code, 'OPTION_INVALID');
});

test('the tables of an input follow from its facts alone', async t => {
  const normalisation = { mean: [10, 20, 30], std: [50, 60, 70] };
  const model = await loadModel(undefined, { normalisation });
  const { tables, ...facts } = inputOf({ ...model.description.input, ...normalisation });
  t.deepEqual(tables, model.input.tables);
  t.is(new Set(tables.map(table => table.join())).size, 3);
  t.deepEqual([facts.height, facts.width, facts.channels], [64, 64, 3]);
  for (const wrong of [{ std: [0] }, { mean: [1, 2] }, { scale: 0 }, { scale: Number.NaN }, { zero: 200 }]) {
    const error = t.throws(() => inputOf({ ...model.description.input, ...wrong }), { instanceOf: TinytrainError });
    t.is(error.code, 'INPUT_INVALID', JSON.stringify(wrong));
  }
});

test('a model says what is left of it under a head, or why it takes none', async t => {
  const { description } = await loadModel();
  const { backbone, totals, headless } = description;
  t.is(headless, null);
  t.true((backbone?.convolutions ?? 0) > 0 && (backbone?.convolutions ?? 0) <= totals.convolutions);
  const compiler = await Compiler.create(await loadModel(), { classes: ['a', 'b'] });
  t.is(backbone?.convolutions, compiler.layers);
});

test('operators are listed', t => {
  t.true(supportedOperators().includes('DEPTHWISE_CONV_2D'));
});
