import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { loadModel, TinytrainError } from '#tinytrain';
import { tinytrain } from '../helpers/cli.js';
import { temporary, write } from '../helpers/folder.js';
import { smallNet } from '../helpers/onnx.js';
import { shared, withShared } from '../helpers/shared.js';

const float = 'models/tinymaix-mnist_resnet_f.tflite';

withShared(float, 'a float model is quantised, and the file is trained', async t => {
  const folder = await temporary(t);
  const data = ['--data', shared('data/digits')];
  const { stdout, stderr, code } = await tinytrain(
    ['quantise', shared(float), ...data, '--out', 'q.tflite', '--json'],
    folder,
  );
  t.is(code, 0, stderr);
  const { test: compared, input, bytes } = JSON.parse(stdout);
  t.deepEqual(input, { shape: [28, 28, 1], mean: [0], std: [255], assumed: true });
  t.is((await fs.stat(join(folder, 'q.tflite'))).size, bytes);
  t.true(compared.agreement >= 0.99, stdout);
  t.true(compared.accuracy.int8 >= compared.accuracy.float - 0.005, stdout);
  const trained = await tinytrain(['train', '--model', 'q.tflite', ...data, '--steps', '100', '--json'], folder);
  t.is(trained.code, 0, trained.stderr);
  const refused = await tinytrain(['quantise', 'q.tflite', ...data], folder);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /q\.tflite: not a float model/);
});

test('in a program, a float model is named as one where an int8 model is expected', async t => {
  const folder = await temporary(t);
  await write(folder, { 'net.onnx': smallNet(16) });
  const error = await t.throwsAsync(loadModel(join(folder, 'net.onnx')), { instanceOf: TinytrainError });
  t.is(error.code, 'MODEL_FLOAT');
  t.regex(error.message, /net\.onnx: a float model, which samples have to quantise to int8 first$/);
  t.regex(error.details.help?.join('\n') ?? '', /quantised\(await loadFloatModel\(path\), source\)/);
});

test('a damaged .onnx is one sentence', async t => {
  const folder = await temporary(t);
  await fs.writeFile(join(folder, 'net.onnx'), Buffer.from([0x08, 8, 0x12, 4, 1]));
  for (const command of [
    ['quantise', 'net.onnx'],
    ['inspect', '--model', 'net.onnx'],
  ]) {
    const { code, stderr } = await tinytrain(command, folder);
    t.is(code, 1);
    t.regex(stderr, /^error: net\.onnx: the file is damaged: [^\n]+\n$/);
  }
});
