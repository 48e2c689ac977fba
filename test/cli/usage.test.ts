import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { tinytrain } from '../helpers/cli.js';
import { smallSet, temporary, write } from '../helpers/folder.js';

test('wrong usage ends with 2 and says what was wrong', async t => {
  const folder = await temporary(t);
  const cases: [string[], RegExp][] = [
    [[], /a command is needed/],
    [['frobnicate'], /frobnicate/],
    [['inpsect', 'x'], /there is no command inpsect: did you mean inspect\?/],
    [['train', '--seed', '5..1'], /--seed 5\.\.1: expected one seed/],
    [['train', '--frobnicate'], /frobnicate/],
    [['train', '--steps', '0'], /--steps 0: expected an integer from 1/],
    [['train', '--steps', '1', '--epochs', '1'], /mutually exclusive/],
    [['train', '--lr', 'fast'], /--lr fast: expected auto, or a number of at least/],
    [['train', '--budget', '12 apples'], /--budget 12 apples: expected bytes/],
    [['train', '--input', 'big'], /--input big: expected rows x columns/],
    [['train', '--augment', 'rotate'], /--augment rotate/],
    [['train', '--residual-bits', '3'], /residual-bits/],
    [['train', '--resize', 'squeeze'], /resize/],
    [['train', '--resume', 'x', '--steps', '3'], /mutually exclusive/],
    [['predict'], /Not enough/],
    [['inspect', '--stage', 'nowhere'], /there is no stage nowhere/],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await tinytrain(args, folder);
    t.is(code, 2, args.join(' '));
    t.regex(stderr, message);
    t.is(stdout, '');
  }
});

test('what the user can mend ends with 1, in one sentence, with nothing half-written', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'));
  await smallSet(join(folder, 'broken'));
  await write(folder, {
    'noise.tflite': Uint8Array.from({ length: 10000 }, (_, i) => (i * i * 31) & 255),
    'broken/train/cat/001.png': 'no image',
  });
  const cases: [string[], RegExp][] = [
    [['inspect', 'none.tflite'], /none\.tflite: the model cannot be read: it does not exist/],
    [['inspect', 'noise.tflite'], /noise\.tflite: not a \.tflite/],
    [['train', '--data', 'nowhere'], /nowhere: cannot be read: it does not exist/],
    [['train', '--data', 'broken'], /001\.png: not an image/],
    [['train', '--data', 'images', '--scheme', '99:1'], /convolution 99 does not exist/],
    [['train', '--data', 'images', '--scheme', 'none.json'], /none\.json: the scheme cannot be read/],
    [['train', '--data', 'images', '--budget', '10k'], /more than the budget of 10,240 B/],
    [['train', '--data', 'images', '--target', 'toaster'], /there is no board 'toaster'; there are: .*stm32f746/],
    [['train', '--data', 'images', '--input', '40x40'], /fixed size/],
    [['train', '--resume', 'images'], /there is no training run here/],
    [['predict', 'images', 'x.png'], /there is no training run here|x\.png: cannot be read/],
  ];
  const before = (await fs.readdir(folder)).sort();
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await tinytrain(args, folder);
    t.is(code, 1, `${args.join(' ')}: ${stderr}`);
    t.regex(stderr, message);
    t.regex(stderr, /^error: /);
    t.is(stdout, '');
  }
  t.deepEqual((await fs.readdir(folder)).sort(), before);
});

test('an output folder that cannot be written is an error before any work', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'));
  // A file where the folder's parent should be: permissions do not stop root.
  await write(folder, { file: '' });
  const { code, stderr } = await tinytrain(['train', '--data', 'images', '--steps', '1', '--out', 'file/run'], folder);
  t.is(code, 1, stderr);
  t.regex(stderr, /file\/run/);
});

test('--json prints one object and nothing else, for an error too', async t => {
  const folder = await temporary(t);
  const good = await tinytrain(['inspect', '--json'], folder);
  t.is(good.code, 0, good.stderr);
  t.is(good.stderr, '');
  const model = JSON.parse(good.stdout);
  t.is(model.totals.convolutions, model.layers.filter((layer: { conv?: number }) => layer.conv !== undefined).length);
  t.deepEqual(
    Object.keys(model.layers[0])
      .filter(key => ['index', 'op', 'macs', 'weights'].includes(key))
      .sort(),
    ['index', 'macs', 'op', 'weights'],
  );
  const bad = await tinytrain(['inspect', 'none.tflite', '--json'], folder);
  t.is(bad.code, 1);
  t.is(JSON.parse(bad.stdout).error.code, 'FILE_ERROR');
});

test('every command has help with an example', async t => {
  const folder = await temporary(t);
  for (const command of ['inspect', 'train', 'predict', 'doctor']) {
    const { code, stdout } = await tinytrain([command, '--help'], folder);
    t.is(code, 0);
    t.regex(stdout, /Examples:\s+npx tinytrain/, command);
  }
});

test('help COMMAND is COMMAND --help', async t => {
  const folder = await temporary(t);
  const [one, other] = await Promise.all(
    [
      ['help', 'compare'],
      ['compare', '--help'],
    ].map(args => tinytrain(args, folder)),
  );
  t.is(one?.code, 0, one?.stderr);
  t.is(one?.stdout, other?.stdout);
  t.regex(one?.stdout ?? '', /Examples:\s+npx tinytrain compare/);
});

test('inspect forecasts what compile forecasts', async t => {
  const folder = await temporary(t);
  const scheme = ['--scheme', 'bias:21,11:1,17:1,18:1/2', '--json'];
  const [inspected, compiled] = await Promise.all(
    [
      ['inspect', ...scheme],
      ['compile', ...scheme, '--out', 'firmware'],
    ].map(async args => JSON.parse((await tinytrain(args, folder)).stdout)),
  );
  t.deepEqual(inspected.instructions, compiled.instructions);
  t.deepEqual(inspected.time, compiled.time);
});

test('inspect lists operators, layers and stages', async t => {
  const folder = await temporary(t);
  const operators = await tinytrain(['inspect', '--ops'], folder);
  t.true(operators.stdout.split('\n').includes('CONV_2D'));
  const layers = await tinytrain(['inspect'], folder);
  t.regex(layers.stdout, /index\s+conv\s+op/);
  const stage = await tinytrain(['inspect', '--stage', 'schedule', '--scheme', 'bias:2'], folder);
  t.regex(stage.stdout, /conv_bias_step/, stage.stderr);
});

test('doctor --self-test: this machine computes what others do, with any kernels', async t => {
  for (const TINYTRAIN_KERNELS of ['', 'reference']) {
    const kernels = TINYTRAIN_KERNELS === '' ? {} : { TINYTRAIN_KERNELS };
    const { code, stdout } = await tinytrain(['doctor', '--self-test', '--json'], await temporary(t), kernels);
    t.is(code, 0);
    const { findings } = JSON.parse(stdout) as { findings: { what: string; found: boolean; detail: string }[] };
    for (const what of ['100 training steps', 'drawn images', 'a decoded PNG', 'a decoded JPEG']) {
      const found = findings.find(finding => finding.what === what);
      t.true(found?.found, `${what}: ${found?.detail}`);
    }
  }
});

test('doctor says what is there', async t => {
  const { code, stdout } = await tinytrain(['doctor', '--json'], await temporary(t));
  t.is(code, 0);
  const what = JSON.parse(stdout).findings.map((finding: { what: string }) => finding.what);
  t.true(['addon', 'Arm compiler', 'QEMU', 'board'].every(name => what.includes(name)));
});
