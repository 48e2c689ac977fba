import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { tinytrain } from '../helpers/cli.js';
import { has } from '../helpers/firmware.js';
import { temporary, write } from '../helpers/folder.js';

/** Runs a command on the embedded gestures, which has to succeed. */
async function ok(t: ExecutionContext, folder: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await tinytrain([...args, '--task', 'gestures'], folder);
  t.is(code, 0, stderr);
  return stdout;
}

test('train and search take the embedded gestures, and say how to compile what was found', async t => {
  const folder = await temporary(t);
  const { inputs, shape } = JSON.parse(await ok(t, folder, 'inspect', '--json')).layers[0] ?? {};
  t.deepEqual(inputs ?? shape, [[1, 96, 6]]);
  const train = ['train', '--scheme', 'full', '--steps', '300', '--lr', '0.05', '--json'];
  const { accuracy, checksum } = JSON.parse(await ok(t, folder, ...train, '--out', 'one'));
  t.true(accuracy.after > accuracy.before + 0.2, JSON.stringify(accuracy));
  const run = JSON.parse(await fs.readFile(join(folder, 'one', 'run.json'), 'utf8'));
  t.deepEqual(run.origin.data.origin, {
    kind: 'drawn',
    task: 'gestures',
    seed: 1,
    trainPerClass: 100,
    testPerClass: 50,
  });
  const again = JSON.parse(await ok(t, folder, ...train, '--threads', '1', '--out', 'two'));
  t.is(again.checksum, checksum, 'for any number of threads');
  const short = ['--trial-steps', '20', '--proof-steps', '20', '--seeds', '1', '--lr', '0.05'];
  const found = await ok(t, folder, 'search', '--budget', '24k', ...short, '--out', 'found');
  const next = 'next: npx tinytrain compile --task gestures --scheme found/scheme.json';
  t.true(found.includes(next), found.slice(-200));
  await ok(t, folder, 'compile', '--scheme', 'found/scheme.json', '--target', 'stm32f746', '--out', 'firmware');
});

test('the demo of the gestures: accuracy minute by minute, and the same bits in QEMU', async t => {
  const folder = await temporary(t);
  const text = await ok(t, folder, 'demo', '--minutes', '1', '--device-steps', '5', '--out', 'demo', '--json');
  const { course, device, memory } = JSON.parse(text);
  t.is(course.length, 2);
  t.true(course[1].accuracy > course[0].accuracy + 0.4, JSON.stringify(course));
  if (!has('make', 'arm-none-eabi-gcc', 'qemu-system-arm')) {
    t.log('skipped: make, arm-none-eabi-gcc or qemu-system-arm is missing');
    return;
  }
  t.deepEqual([device.equal, device.steps], [true, 5]);
  t.is(device.linked.sram, memory.sram.total);
});

test('the embedded network of the gestures takes recordings of one’s own, and the drawn ones another model', async t => {
  const folder = await temporary(t);
  const recording = (level: number) =>
    Array.from({ length: 96 * 8 }, (_, i) => [0, 1, 2, 3, 4, 5].map(c => level * ((i + 7 * c) % 50)).join(',')).join(
      '\n',
    );
  const folders = ['one', 'two', 'three', 'four', 'five', 'six'];
  for (const name of folders) {
    await write(folder, { [`data/left/${name}.csv`]: recording(3), [`data/right/${name}.csv`]: recording(-3) });
  }
  const train = ['train', '--data', 'data', '--window', '96', '--steps', '60', '--lr', '0.1', '--json', '--out', 'own'];
  t.is(JSON.parse(await ok(t, folder, ...train)).accuracy.after, 1);
  const { code, stderr } = await tinytrain(
    ['train', '--task', 'gestures', '--model', new URL('../../assets/tinytrain-xs.tflite', import.meta.url).pathname],
    folder,
  );
  t.is(code, 1);
  t.regex(stderr, /drawn gestures are at least 16 rows of 6 values; the model takes 64x64x3/);
  const without = ['train', '--task', 'gestures', '--model', 'x.tflite', '--data', 'data'];
  const unused = await tinytrain(without, folder);
  t.is(unused.code, 2, unused.stderr);
  t.regex(unused.stderr, /--task gestures does nothing where --model and --data are given/);
});
