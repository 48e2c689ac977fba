import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import {
  Compiler,
  checkFits,
  compile,
  Dataset,
  decodeImage,
  defaultImages,
  drawnImages,
  loadFloatModel,
  loadModel,
  quantised,
  Session,
  TinytrainError,
  train,
} from '#tinytrain';
import { commented } from '#tinytrain/emit/text.js';
import { defaultMostPrice, priceOf } from '#tinytrain/model/price.js';
import { temporary, write } from './helpers/folder.js';
import { plainInput } from './helpers/input.js';
import { Onnx, smallNet } from './helpers/onnx.js';
import { shared, withShared } from './helpers/shared.js';

async function small() {
  const model = await loadModel();
  return { model, data: await defaultImages(model.input, { trainPerClass: 3, testPerClass: 1 }) };
}

test('a model has a price before anything is computed, and one beyond the limit is refused at once', async t => {
  const { description } = await loadModel();
  const price = priceOf(description);
  t.true(price.products >= description.totals.macs);
  t.is(price.operations, description.layers.length);
  t.true(price.products * 50 < defaultMostPrice.products, 'what is meant is far from the limit');
});

withShared(
  'cases/models/wide-40.tflite',
  'small files of models that take all memory or all day are refused within a second',
  async t => {
    const began = performance.now();
    await t.throwsAsync(loadModel(shared('cases/models/window.tflite')), { code: 'MODEL_UNSUPPORTED' });
    const model = await loadModel(shared('cases/models/wide-40.tflite'));
    const [classes, code] = [['a', 'b'], 'MODEL_TOO_LARGE'];
    await t.throwsAsync(checkFits(model, classes, {}), { code });
    await t.throwsAsync(Compiler.create(model, { classes }), { code });
    t.true(performance.now() - began < 1000);
  },
);

test('a float model has a price as well, which is known before a sample is read', async t => {
  const root = await temporary(t);
  const chain = (length: number) => {
    const net = new Onnx([1, 2, 8, 8]);
    for (let i = 0; i < length; i++) {
      net.node('Conv', [net.weights([2, 2, 1, 1]), net.zeros(2)], { kernel_shape: [1, 1] }).node('Relu');
    }
    return net.node('GlobalAveragePool').node('Flatten').bytes();
  };
  await write(root, { 'long.onnx': chain(1001), 'wide.onnx': smallNet(4096) });
  const source = drawnImages({ trainPerClass: 2, testPerClass: 1 });
  for (const [name, message] of [
    ['long', /operations; at most 1,000/],
    ['wide', /products in a forward pass; at most/],
  ] as const) {
    const float = await loadFloatModel(join(root, `${name}.onnx`));
    const began = performance.now();
    await t.throwsAsync(quantised(float, source), { code: 'MODEL_TOO_LARGE', message });
    const { train } = await drawnImages({ trainPerClass: 1, testPerClass: 1 }).read(plainInput(8));
    for (const work of [() => float.quantise(train), () => float.classes(train)])
      await t.throwsAsync(work, { code: 'MODEL_TOO_LARGE' });
    t.true(performance.now() - began < 2000);
  }
});

test('a drawing that refers to itself over and over is refused by its text', async t => {
  const uses = (count: number) => {
    const levels = Array.from({ length: count }, (_, i) => `<g id="a${i + 1}">${`<use href="#a${i}"/>`.repeat(8)}</g>`);
    return `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><defs><rect id="a0" width="9" height="9"/>${levels.join('')}</defs><use href="#a${count}"/></svg>`;
  };
  const began = performance.now();
  await t.throwsAsync(decodeImage(Buffer.from(uses(7)), plainInput(8)), {
    code: 'IMAGE_CORRUPT',
    message: /an SVG that would take too long to draw/,
  });
  t.true(performance.now() - began < 2000);
  const entities = `<!DOCTYPE svg [<!ENTITY a "aaaa">]>${uses(0)}`;
  await t.throwsAsync(decodeImage(Buffer.from(entities), plainInput(8)), { message: /entities or style sheets/ });
  const shaded = `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><linearGradient id="g"><stop stop-color="red"/></linearGradient>${'<rect width="8" height="8" fill="url(#g)"/>'.repeat(90)}</svg>`;
  t.is((await decodeImage(Buffer.from(shaded), plainInput(8)))[0], 127);
});

test('options are checked, with a typed error', async t => {
  const { model, data } = await small();
  const program = await compile(model, data);
  const refused = async (work: () => Promise<unknown>, option: RegExp) => {
    const error = await t.throwsAsync(work, { instanceOf: TinytrainError });
    t.is(error.code, 'OPTION_INVALID', error.message);
    t.regex(error.message, option);
  };
  for (const seed of [Number.NaN, -1, 1.5, null as unknown as number, '1' as unknown as number]) {
    await refused(() => compile(model, data, { seed }), /^seed is /);
    await refused(() => train(program, data, { steps: 1, seed }), /^seed is /);
  }
  for (const residualBits of [Number.NaN, 3, -1])
    await refused(() => compile(model, data, { residualBits }), /^residualBits/);
  for (const threads of [0, 20_000, Number.NaN]) {
    await refused(() => compile(model, data, { threads }), /^threads is /);
    await refused(() => train(program, data, { steps: 1, threads }), /^threads is /);
  }
  const sample = new Int8Array(data.train.sample(0).length);
  for (const label of [70_000, -1, 0.5])
    await refused(async () => Dataset.from(sample, [label], model.input), /^a label is /);
  const rate = { mantissa: 2 ** 30, exponent: 0 };
  const session = new Session(program);
  for (const wrong of [
    { mantissa: -1, exponent: 0 },
    { mantissa: 2 ** 31, exponent: 0 },
    { mantissa: 1, exponent: 0 },
    { mantissa: 2 ** 30, exponent: 1025 },
  ]) {
    await refused(async () => session.trainStep(sample, 0, { head: wrong, backbone: rate }), /rate of the head is /);
  }
});

test('a listener that throws rejects the promise, and the reason of a signal is kept', async t => {
  const { model, data } = await small();
  const program = await compile(model, data);
  const onProgress = () => {
    throw new Error('of the listener');
  };
  await t.throwsAsync(train(program, data, { steps: 5, lr: 0.01, onProgress }), { message: 'of the listener' });
  const reason = new Error('enough');
  const controller = new AbortController();
  controller.abort(reason);
  const { signal } = controller;
  for (const work of [
    () => compile(model, data, { signal }),
    () => train(program, data, { steps: 5, lr: 0.01, signal }),
    () => model.forward(data.test.sample(0), { signal }),
  ]) {
    const error = await t.throwsAsync(work, { instanceOf: TinytrainError });
    t.is(error.code, 'ABORTED');
    t.is(error.cause, reason);
  }
});

test('no native function lets a panic out', async t => {
  const folder = fileURLToPath(new URL('../crates/napi/src', import.meta.url));
  let functions = 0;
  for (const name of await fs.readdir(folder)) {
    const text = await fs.readFile(join(folder, name), 'utf8');
    for (const [, inner = '', kind] of text.matchAll(
      /#\[napi(?:\((.*)\))?\]\n(?:\s*(?:\/\/\/|#\[).*\n)*\s*pub (fn|struct|enum)/g,
    )) {
      if (kind !== 'fn') continue;
      functions++;
      t.true(inner.includes('catch_unwind'), `${name}: ${inner}`);
    }
  }
  t.true(functions > 50, `${functions} functions`);
});

test('a class is seen in the firmware as it is, whatever its name', t => {
  t.is(commented('caf\u00e9 \u{1f600} x'), 'caf\u00e9 \u{1f600} x');
  t.is(commented('a*/b\nc\u202ed\u0000\ud800'), 'a* /b\\u{a}c\\u{202e}d\\u{0}\\u{d800}');
});
