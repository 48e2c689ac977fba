import { spawn } from 'node:child_process';
import { existsSync, promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { schemesOfTasks } from '#tinytrain/cli/demo.js';
import { command, tinytrain } from '../helpers/cli.js';
import { has } from '../helpers/firmware.js';
import { smallSet, temporary } from '../helpers/folder.js';

test('the schemes of the defaults are those that README.md and docs/data.md show a search to find', async t => {
  const text = (name: string) => fs.readFile(new URL(`../../${name}`, import.meta.url), 'utf8');
  t.true((await text('README.md')).includes(`found    ${schemesOfTasks.images}, 4 residual bits`));
  t.true((await text('docs/data.md')).includes(`found    ${schemesOfTasks.gestures}, 4 residual bits`));
});

const small = ['demo', '--data', 'images', '--scheme', 'bias:2,20:1/8', '--minutes', '2'];

test('the steps of a board’s minutes, accuracy after each; the same for any number of threads, and in QEMU', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  const json = async (args: readonly string[], env = {}) => {
    const { code, stdout, stderr } = await tinytrain([...small, ...args, '--json'], folder, env);
    t.is(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const found = await json(['--device-steps', '3', '--out', 'one']);
  const { likely, low, high } = found.time.trainStep.milliseconds;
  t.true(low < likely && likely < high);
  t.is(found.steps, Math.floor(120_000 / likely));
  const course = found.course as { minute: number; step: number; checksum: string }[];
  t.deepEqual(
    course.map(({ minute, step }) => [minute, step]),
    [0, 1, 2].map(minute => [minute, Math.floor((minute * 60_000) / likely)]),
  );
  t.is(new Set(course.map(({ checksum }) => checksum)).size, 3);
  const { seconds, ...stored } = JSON.parse(await fs.readFile(join(folder, 'one/demo.json'), 'utf8'));
  t.deepEqual(stored.course, course);
  t.true(seconds > 0);
  const figure = await fs.readFile(join(folder, 'one/accuracy.svg'), 'utf8');
  t.is(figure.match(/<circle class="point"/g)?.length, 3);
  t.true(existsSync(join(folder, 'one/firmware/Makefile')));

  // Where there are no tools, all but QEMU's part: the same accuracies, and a sentence.
  const without = await json(['--threads', '1', '--out', 'two'], { PATH: join(folder, 'nothing') });
  t.deepEqual(without.course, course);
  t.is(without.device, null);
  t.regex(without.deviceSkipped, /^make is missing: make is not on the PATH/);

  if (!has('arm-none-eabi-gcc', 'qemu-system-arm')) {
    t.log('skipped: arm-none-eabi-gcc or qemu-system-arm is missing');
    return;
  }
  t.is(found.deviceSkipped, null);
  t.deepEqual([found.device.equal, found.device.steps], [true, 3]);
  t.is(found.device.linked.sram, found.memory.sram.total);
});

test('a demo that is stopped keeps nothing and says so; what cannot be is said in a sentence', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  const child = spawn(process.execPath, [command, 'demo', '--out', 'stopped'], { cwd: folder });
  let stderr = '';
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  // Once the introduction is there, it is at work.
  child.stdout.once('data', () => child.kill('SIGINT'));
  const code = await new Promise<number | null>(resolve => child.on('close', resolve));
  t.is(code, 130, stderr);
  t.regex(stderr, /^stopped.*\n {2}nothing of it is kept: start it again\n$/);
  t.false(existsSync(join(folder, 'stopped')));

  await fs.mkdir(join(folder, 'taken'));
  await fs.writeFile(join(folder, 'taken/demo.json'), '');
  for (const [args, expected, message] of [
    [['--model', 'mine.tflite'], 2, /a --scheme is needed/],
    [['--minutes', '0'], 2, /--minutes 0: expected an integer/],
    [['--device-steps', 'some'], 2, /--device-steps some: expected/],
    [['--budget', '10k'], 1, /needs? [\d,]+ B|exceeds|does not fit/],
    [['--out', 'taken'], 1, /demo\.json is there/],
  ] as const) {
    const found = await tinytrain(['demo', ...args], folder);
    t.is(found.code, expected, found.stderr);
    t.regex(found.stderr, message);
  }
});
