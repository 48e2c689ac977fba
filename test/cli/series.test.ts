import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { tinytrain } from '../helpers/cli.js';
import { temporary, write } from '../helpers/folder.js';
import { wav } from '../helpers/series.js';
import { shared, withShared } from '../helpers/shared.js';
import { withWaves } from '../helpers/waves.js';

/** A sound of three channels: a tone whose pitch tells the class. */
function tone(pitch: number, rows: number, phase: number): Buffer {
  const values = Array.from({ length: rows * 3 }, (_, i) =>
    Math.round(9000 * Math.sin(phase + pitch * Math.floor(i / 3) + (i % 3))),
  );
  return wav(values, { bits: 16, format: 1, channels: 3 });
}

test('series go through train, predict, a run that goes on, and compile', async t => {
  const folder = await temporary(t);
  for (const [name, pitch] of [
    ['low', 0.002],
    ['high', 0.05],
  ] as const) {
    await write(folder, {
      [`sounds/train/${name}.wav`]: tone(pitch, 4096 * 5 + 7, 0),
      [`sounds/test/${name}.wav`]: tone(pitch, 4096 * 2, 1),
    });
  }
  const cut = ['--data', 'sounds', '--window', '4096'];
  const train = await tinytrain(
    ['train', ...cut, '--hop', '2048', '--steps', '60', '--scheme', 'bias:4', '--out', 'run', '--json'],
    folder,
  );
  t.is(train.code, 0, train.stderr);
  const result = JSON.parse(train.stdout);
  t.deepEqual([result.data.classes, result.data.train, result.data.test], [['high', 'low'], 18, 6]);
  const predicted = await tinytrain(['predict', 'run', 'sounds/test', '--json'], folder);
  t.is(predicted.code, 0, predicted.stderr);
  const { predictions } = JSON.parse(predicted.stdout);
  t.deepEqual(
    predictions.map((p: { name: string }) => p.name.split(/[\\/]/).at(-1)),
    ['high.wav:0', 'high.wav:2048', 'high.wav:4096', 'low.wav:0', 'low.wav:2048', 'low.wav:4096'],
  );
  const right = predictions.filter((p: { name: string; class: string }) => p.name.includes(p.class)).length;
  t.is(right / 6, result.accuracy.after, 'predict quantises as train did');
  const more = await tinytrain(['train', '--from', 'run', '--steps', '2', '--out', 'more', '--json'], folder);
  t.is(more.code, 0, more.stderr);
  t.is(JSON.parse(more.stdout).accuracy.before, result.accuracy.after);
  const compiled = await tinytrain(['compile', '--run', 'more', '--out', 'firmware'], folder);
  t.is(compiled.code, 0, compiled.stderr);
  const { origin } = JSON.parse(await fs.readFile(join(folder, 'firmware', 'manifest.json'), 'utf8'));
  t.deepEqual([origin.input.units, origin.data.origin.kind, origin.data.origin.window], [[1, 1, 1], 'series', 4096]);
  const wrong = await tinytrain(['train', '--data', 'sounds', '--steps', '1'], folder);
  t.is(wrong.code, 1);
  t.regex(
    wrong.stderr,
    /^error: .*\.wav: 20,487 rows of 3 columns, 61,461 values; the model takes 64x64x3, 12,288 values\n {2}--window 4096 --hop 4096 cuts/,
  );
});

test('series are shifted and made noisy, the same for any number of threads and if stopped', async t => {
  const folder = await withWaves(t);
  const run = async (out: string, ...more: string[]) => {
    const data = ['--model', 'net.onnx', '--data', 'waves', '--window', '32', '--scheme', 'full', '--lr', '0.1'];
    const { code, stdout, stderr } = await tinytrain(
      ['train', ...data, '--steps', '40', '--out', out, '--json', ...more],
      folder,
    );
    t.is(code, 0, stderr);
    return JSON.parse(stdout).checksum;
  };
  const both = await run('one', '--augment', 'shift:4,noise:2.5', '--threads', '1');
  t.is(await run('two', '--augment', 'shift:4,noise:2.5', '--threads', '2'), both);
  const others = [
    await run('none'),
    await run('shifted', '--augment', 'shift:4'),
    await run('noisy', '--augment', 'noise:2.5'),
  ];
  t.is(new Set([both, ...others]).size, 4, 'each of them does something');
  const { plan } = JSON.parse(await fs.readFile(join(folder, 'one', 'run.json'), 'utf8'));
  t.deepEqual(plan.augment, { flip: false, shift: 4, noise: 2.5, crop: 0, jitter: 0 });
  const again = await tinytrain(['train', '--resume', 'one', '--json'], folder);
  t.is(JSON.parse(again.stdout).checksum, both, again.stderr);
  for (const [augment, message] of [
    ['flip', /augment\.flip is true; expected: false: series are not mirrored/],
    ['crop:0.5', /augment\.crop is 0\.5; expected: 0: series have no pixels/],
    ['noise:999', /--augment noise:999: expected flip, crop:S, jitter:S, shift:N, noise:X/],
    ['noise:-1', /--augment noise:-1: expected flip, crop:S, jitter:S, shift:N, noise:X/],
  ] as const) {
    const args = ['train', '--model', 'net.onnx', '--data', 'waves', '--window', '32', '--augment', augment];
    const refused = await tinytrain([...args, '--out', 'refused'], folder);
    t.is(refused.code, 2, refused.stderr);
    t.regex(refused.stderr, message);
  }
});

test('a search finds a scheme with series, and its folder leads to a firmware', async t => {
  const folder = await withWaves(t);
  const data = ['--model', 'net.onnx', '--data', 'waves', '--window', '32', '--hop', '8'];
  const short = ['--trial-steps', '20', '--proof-steps', '20', '--seeds', '1', '--lr', '0.1'];
  const found = await tinytrain(['search', ...data, '--budget', '64k', ...short, '--out', 'found', '--json'], folder);
  t.is(found.code, 0, found.stderr);
  const { origin, budget, memory, scheme } = JSON.parse(found.stdout);
  t.deepEqual([origin.data.origin.kind, origin.data.origin.window, origin.input.units.length], ['series', 32, 2]);
  t.true(memory.sram.total <= budget, scheme);
  const compiled = await tinytrain(
    ['compile', ...data, '--scheme', 'found/scheme.json', '--target', 'stm32f746', '--out', 'firmware', '--json'],
    folder,
  );
  t.is(compiled.code, 0, compiled.stderr);
  t.deepEqual(JSON.parse(compiled.stdout).memory.sram.total, memory.sram.total);
});

withShared(
  'data/magic-wand',
  'the magic wand’s own classifier scores what its authors say, and --window is asked for',
  async t => {
    const folder = await temporary(t);
    const model = ['--model', shared('models/magic-wand-quantized_model.tflite'), '--data', shared('data/magic-wand')];
    const own = ['--mean', '-4,-4,-4,-2000,-2000,-2000', '--std', '8,8,8,4000,4000,4000', '--head', 'keep'];
    const classes = ['AlohomoraCharm', 'ArrestoMomentumCharm', 'AvadaKedavra', 'LocomotorCharm', 'Revelio'];
    const map = ['--map', classes.map((name, i) => `${name}=${i}`).join(',')];
    const { code, stdout, stderr } = await tinytrain(
      [
        'train',
        ...model,
        ...own,
        ...map,
        '--window',
        '119',
        '--steps',
        '1',
        '--lr',
        '0.000001',
        '--out',
        'run',
        '--json',
      ],
      folder,
    );
    t.is(code, 0, stderr);
    const { accuracy, data } = JSON.parse(stdout);
    t.deepEqual([data.train, data.test, accuracy.before], [100, 25, 0.88]);
  },
);
