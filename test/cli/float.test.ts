import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { tinytrain } from '../helpers/cli.js';
import { smallSet, temporary, write } from '../helpers/folder.js';
import { smallNet } from '../helpers/onnx.js';
import { withWaves } from '../helpers/waves.js';

/** Runs a command that has to succeed. */
async function ok(t: ExecutionContext, folder: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const outcome = await tinytrain(args, folder);
  t.is(outcome.code, 0, outcome.stderr);
  return outcome;
}

async function okJson(t: ExecutionContext, folder: string, ...args: string[]) {
  const { stdout, stderr } = await ok(t, folder, ...args, '--json');
  return { result: JSON.parse(stdout), stderr };
}

async function withNet(t: ExecutionContext): Promise<string> {
  const folder = await temporary(t);
  await write(folder, { 'net.onnx': smallNet(16) });
  await smallSet(join(folder, 'images'), 8, 3);
  return folder;
}

test('inspect says of a float model what it can, and what it needs', async t => {
  const folder = await withNet(t);
  const { stdout } = await ok(t, folder, 'inspect', 'net.onnx');
  t.regex(stdout, /^model {4}net \(onnx, float, net\.onnx\)\nint8 .*--data DIR\n/);
  t.regex(stdout, /2 convolutions, [\d,]+ MACs, 1,368 weights/);
  t.is((await okJson(t, folder, 'inspect', 'net.onnx')).result.quantised, null);
  const { result, stderr } = await okJson(t, folder, 'inspect', 'net.onnx', '--data', 'images');
  t.deepEqual([result.format, result.quantised.samples.source, result.input.guessed], ['onnx', 'images', true]);
  t.regex(stderr, /^float model, quantised to int8: at most 128 training samples of images, /);
  const stage = await tinytrain(['inspect', 'net.onnx', '--stage', 'head'], folder);
  t.is(stage.code, 2);
  t.regex(stage.stderr, /a float model, whose graph has scales once samples have given them\n {2}--data DIR/);
});

test('a float model is trained, gone on from, exported and compiled as any other', async t => {
  const folder = await withNet(t);
  const model = ['--model', 'net.onnx', '--data', 'images', '--scheme', 'bias:2'];
  const steps = ['--steps', '40', '--lr', '0.01'];
  const { result, stderr } = await okJson(t, folder, 'train', ...model, ...steps, '--threads', '1', '--out', 'run');
  t.regex(stderr, /float model, quantised to int8: .* the normalisation is assumed, --mean and --std say otherwise\n/);
  t.deepEqual(result.quantised.samples.origin.kind, 'images');
  const again = await okJson(t, folder, 'train', ...model, ...steps, '--threads', '2', '--out', 'again');
  t.is(again.result.checksum, result.checksum, 'the same for any number of threads');
  t.is((await okJson(t, folder, 'train', '--resume', 'run')).result.checksum, result.checksum);
  await ok(t, folder, 'predict', 'run', 'images/test');
  await ok(t, folder, 'export', 'run', '--tflite', 'adapted.tflite');
  const compiled = await okJson(t, folder, 'compile', '--run', 'run', '--out', 'learned');
  t.deepEqual(compiled.result.quantised, result.quantised);
  t.deepEqual((await okJson(t, folder, 'compile', ...model, '--out', 'fresh')).result.quantised, result.quantised);
  // As an int8 file, it is the same model.
  await ok(t, folder, 'quantise', 'net.onnx', '--data', 'images', '--out', 'q.tflite');
  const int8 = ['--model', 'q.tflite', '--data', 'images', '--scheme', 'bias:2', ...steps, '--out', 'int8'];
  t.is((await okJson(t, folder, 'train', ...int8)).result.checksum, result.checksum);
  await ok(t, folder, 'export', 'run', '--model', 'q.tflite', '--npz', 'weights.npz');
  // A new class needs the model, and the samples with which it was quantised.
  await smallSet(join(folder, 'more'));
  await fs.rename(join(folder, 'more/train/dog'), join(folder, 'more/train/emu'));
  await fs.rename(join(folder, 'more/test/dog'), join(folder, 'more/test/emu'));
  const from = ['train', '--from', 'run', '--data', 'more', '--steps', '4', '--out'];
  const grown = await okJson(t, folder, ...from, 'grown');
  t.deepEqual(grown.result.data.classes, ['cat', 'dog', 'emu']);
  await ok(t, folder, 'export', 'grown', '--tflite', 'grown.tflite');
  await fs.rm(join(folder, 'images/train/cat/000.png'));
  const changed = await tinytrain([...from, 'other'], folder);
  t.is(changed.code, 1);
  t.regex(changed.stderr, /^error: .*net\.onnx: quantised for .*run with samples of images that have changed\n/);
  await write(folder, { 'net.onnx': smallNet(24) });
  const other = await tinytrain(['export', 'run', '--npz', 'x.npz'], folder);
  t.regex(other.stderr, /net\.onnx: its input has a fixed size|net\.onnx: not the model with which .*run was started/);
});

test('the folder of a search with a float model opens the same int8 model again', async t => {
  const folder = await withNet(t);
  const short = ['--budget', '40k', '--trial-steps', '4', '--proof-steps', '4', '--seeds', '1', '--lr', '0.01'];
  const data = ['--model', 'net.onnx', '--data', 'images'];
  const { result } = await okJson(t, folder, 'search', ...data, ...short, '--out', 'found');
  t.is(result.origin.model.quantised.samples.most, 128);
  t.deepEqual(result.quantised, result.origin.model.quantised);
  const again = await okJson(t, folder, 'search', '--resume', 'found');
  t.is(again.result.origin.model.hash, result.origin.model.hash);
});

test('a float model of three dimensions is quantised with recordings', async t => {
  const folder = await withWaves(t);
  const data = ['--data', 'waves', '--window', '32', '--hop', '4'];
  const train = ['--steps', '300', '--lr', '0.1', '--scheme', 'full'];
  const { result, stderr } = await okJson(t, folder, 'train', '--model', 'net.onnx', ...data, ...train, '--out', 'run');
  t.regex(stderr, /at most 128 training samples of waves, .*the normalisation is assumed/);
  t.true(result.accuracy.after >= 0.9, JSON.stringify(result.accuracy));
  await ok(t, folder, 'predict', 'run', 'waves/test');
  const { stdout } = await ok(t, folder, 'quantise', 'net.onnx', ...data, '--out', 'q.tflite');
  t.regex(stdout, /\ninput {4}real = \(value - -900,-3\) \/ 1[78]\d\d,7 \(assumed/);
  const next = /next: npx tinytrain (train .*)\n/.exec(stdout)?.[1]?.split(' ') ?? [];
  const int8 = await okJson(t, folder, ...next, ...train, '--out', 'int8');
  t.is(int8.result.checksum, result.checksum, 'the file is the same model, fed in the same way');
  await ok(t, folder, 'export', 'run', '--tflite', 'adapted.tflite');
  await ok(t, folder, 'inspect', 'adapted.tflite');
  const given = ['--mean', '-1000,-4', '--std', '2000,8'];
  const own = await okJson(t, folder, 'inspect', 'net.onnx', ...data, ...given);
  t.deepEqual([own.result.input.mean, own.result.input.guessed], [[-1000, -4], false]);
});
