import { spawn } from 'node:child_process';
import { existsSync, promises as fs } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { command, tinytrain } from '../helpers/cli.js';
import { smallSet, temporary, write } from '../helpers/folder.js';

const options = ['train', '--data', 'images', '--scheme', 'bias:6', '--seed', '5', '--json'];

/** Starts a long training run and hands its process over once there is a checkpoint. */
async function begun(
  folder: string,
  steps: number,
): Promise<{ end: (signal: NodeJS.Signals) => Promise<{ code: number | null; stderr: string }> }> {
  const child = spawn(
    process.execPath,
    [command, ...options, '--steps', String(steps), '--out', 'run', '--checkpoint', '0'],
    {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let stderr = '';
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  const ended = new Promise<number | null>(resolve => child.on('close', resolve));
  while (!existsSync(join(folder, 'run', 'state.json'))) {
    if (child.exitCode !== null) throw new Error(`ended before its first checkpoint: ${stderr}`);
    await sleep(20);
  }
  return {
    async end(signal) {
      child.kill(signal);
      return { code: await ended, stderr };
    },
  };
}

test('kill -9 in the middle, then resume: the checksum of the uninterrupted run', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  const whole = await tinytrain([...options, '--steps', '1500', '--out', 'whole'], folder);
  t.is(whole.code, 0, whole.stderr);
  const { end } = await begun(folder, 1500);
  await end('SIGKILL');
  const state = JSON.parse(await fs.readFile(join(folder, 'run', 'state.json'), 'utf8'));
  t.true(state.checkpoint.steps < 1500, 'it was killed before it ended');
  const resumed = await tinytrain(['train', '--resume', 'run', '--json'], folder);
  t.is(resumed.code, 0, resumed.stderr);
  const [one, other] = [JSON.parse(whole.stdout), JSON.parse(resumed.stdout)];
  t.is(other.checksum, one.checksum);
  t.deepEqual(other.accuracy, one.accuracy);
  t.deepEqual(other.curve, one.curve);
});

test('Ctrl-C stops within a step, says how to go on, and ends with 130', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  const { end } = await begun(folder, 4_000_000);
  const began = performance.now();
  const { code, stderr } = await end('SIGINT');
  t.is(code, 130);
  t.regex(stderr, /stopped: training, after \d+ of 4000000 steps/);
  t.regex(stderr, /npx tinytrain train --resume .*run/);
  t.true(performance.now() - began < 5000);
});

test('train prints its stable fields as one object, and keeps the run', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'));
  const { code, stdout, stderr } = await tinytrain([...options, '--steps', '5'], folder);
  t.is(code, 0, stderr);
  t.is(stderr, '');
  const result = JSON.parse(stdout);
  t.is(typeof result.accuracy.before, 'number');
  t.is(typeof result.accuracy.after, 'number');
  t.is(result.steps, 5);
  t.is(typeof result.seconds, 'number');
  t.regex(result.checksum, /^[0-9a-f]{64}$/);
  t.is(typeof result.memory.sram.total, 'number');
  t.is(typeof result.memory.flash.total, 'number');
  t.true(result.memory.items.length > 3);
  t.regex(result.run, /runs.train-\d{8}-\d{6}/);
  t.deepEqual((await fs.readdir(result.run)).sort(), ['program.ttp', 'result.json', 'run.json', 'state.json']);
});

test('train prints curve, table and map; predict uses what was learned', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'));
  const { code, stdout, stderr } = await tinytrain(
    ['train', '--data', 'images', '--steps', '20', '--out', 'run'],
    folder,
  );
  t.is(code, 0, stderr);
  for (const part of [
    /classified correctly before the update/,
    /SRAM of stm32f746, bytes/,
    /arena, [\d,]+ B over \d+ steps/,
    /accuracy\s+[\d.]+ % -> [\d.]+ %/,
    /checksum\s+[0-9a-f]{64}/,
  ]) {
    t.regex(stdout, part);
  }
  const predicted = await tinytrain(['predict', 'run', 'images/test/cat', 'images/test/dog/000.png', '--json'], folder);
  t.is(predicted.code, 0, predicted.stderr);
  const { classes, predictions } = JSON.parse(predicted.stdout);
  t.deepEqual(classes, ['cat', 'dog']);
  t.is(predictions.length, 4);
  t.true(predictions.every((p: { class: string }) => classes.includes(p.class)));

  // Folders as train takes them: of class folders, with links and stray files; an empty one is an error, and no advice is of another command.
  await write(folder, { 'images/test/Thumbs.db': 'x', 'images/test/dog/notes.txt': 'x', 'empty/dog/notes.txt': 'x' });
  await fs.symlink(join(folder, 'images', 'test'), join(folder, 'link'));
  const nested = await tinytrain(['predict', 'run', 'link', '--json'], folder);
  t.is(nested.code, 0, nested.stderr);
  t.is(JSON.parse(nested.stdout).predictions.length, 6);
  const empty = await tinytrain(['predict', 'run', 'empty'], folder);
  t.is(empty.code, 1);
  t.is(empty.stderr, 'error: empty: there are no images in this folder\n');
  await write(folder, { 'images/test/dog/bad.jpg': 'x' });
  const bad = await tinytrain(['predict', 'run', 'images/test'], folder);
  t.is(bad.code, 1);
  t.regex(bad.stderr, /bad\.jpg: not an image that can be decoded/);
  t.notRegex(bad.stderr, /--skip-bad/);
});

test('--skip-bad goes on and lists what it left out', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'));
  await fs.writeFile(join(folder, 'images', 'train', 'cat', '000.png'), 'broken');
  const { code, stdout, stderr } = await tinytrain([...options, '--steps', '1', '--skip-bad', '--out', 'run'], folder);
  t.is(code, 0, stderr);
  t.deepEqual(
    JSON.parse(stdout).data.skipped.map((path: string) => path.replaceAll('\\', '/')),
    ['images/train/cat/000.png'],
  );
});
