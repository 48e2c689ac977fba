import { spawn } from 'node:child_process';
import { existsSync, promises as fs } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { command, tinytrain } from '../helpers/cli.js';
import { images, temporary } from '../helpers/folder.js';

const quick = ['--data', 'images', '--budget', '100k', '--trial-steps', '4', '--proof-steps', '6', '--seeds', '2'];

async function set(folder: string): Promise<void> {
  await images(join(folder, 'images'), { 'train/cat': 5, 'train/dog': 5, 'test/cat': 2, 'test/dog': 2 });
}

test('search prints its stable fields as one object; train takes what it found', async t => {
  const folder = await temporary(t);
  await set(folder);
  const { code, stdout, stderr } = await tinytrain(['search', ...quick, '--out', 'found', '--json'], folder);
  t.is(code, 0, stderr);
  t.is(stderr, '');
  const result = JSON.parse(stdout);
  t.is(result.budget, 102_400);
  t.true(result.memory.sram.total <= result.budget);
  for (const part of [result.accuracy.validation, result.accuracy.test]) {
    t.deepEqual(Object.keys(part).sort(), ['mean', 'seeds', 'standardError']);
  }
  t.true(result.baselines.length >= 3);
  const tested = result.baselines.filter((one: { accuracy: { test: unknown } }) => one.accuracy.test);
  t.true(tested.length >= 2);
  t.true(tested.every(({ kind }: { kind: string }) => kind !== 'found'));
  t.true(result.contributions.layers.length > 20);
  t.is(result.front.length, 1);
  t.is(typeof result.seconds, 'number');
  t.true(result.evaluations > 100);
  const files = (await fs.readdir(join(folder, 'found'))).sort();
  t.deepEqual(files, ['contributions.svg', 'journal.jsonl', 'program.ttp', 'scheme.json', 'search.json']);
  const trained = await tinytrain(
    ['train', '--data', 'images', '--steps', '2', '--scheme', 'found/scheme.json', '--budget', '100k', '--json'],
    folder,
  );
  t.is(trained.code, 0, trained.stderr);
  t.is(JSON.parse(trained.stdout).memory.sram.total, result.memory.sram.total);
});

test('kill -9 in the middle, Ctrl-C later, then resume: the files of a search that was left alone', async t => {
  const folder = await temporary(t);
  await set(folder);
  const whole = await tinytrain(['search', ...quick, '--out', 'whole', '--threads', '1'], folder);
  t.is(whole.code, 0, whole.stderr);
  for (const part of [/scheme +SRAM/, /gain from biases/, /SRAM of stm32f746/, /next: npx tinytrain compile/]) {
    t.regex(whole.stdout, part);
  }
  const journal = join(folder, 'killed', 'journal.jsonl');
  const lines = async () => (existsSync(journal) ? (await fs.readFile(journal, 'utf8')).split('\n').length : 0);
  const interrupted = async (args: string[], signal: NodeJS.Signals, more: number) => {
    const goal = (await lines()) + more;
    const child = spawn(process.execPath, [command, ...args], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', chunk => {
      stderr += chunk;
    });
    const ended = new Promise<number | null>(resolve => child.on('close', resolve));
    while ((await lines()) < goal && child.exitCode === null) await sleep(5);
    child.kill(signal);
    return { code: await ended, stderr };
  };
  await interrupted(['search', ...quick, '--out', 'killed'], 'SIGKILL', 20);
  const stopped = await interrupted(['search', '--resume', 'killed'], 'SIGINT', 20);
  t.is(stopped.code, 130);
  t.regex(stopped.stderr, /stopped: the search, in: /);
  t.regex(stopped.stderr, /npx tinytrain search --resume .*killed/);
  const resumed = await tinytrain(['search', '--resume', 'killed'], folder);
  t.is(resumed.code, 0, resumed.stderr);
  for (const name of ['scheme.json', 'search.json', 'contributions.svg']) {
    const [one, other] = await Promise.all(
      ['whole', 'killed'].map(run => fs.readFile(join(folder, run, name), 'utf8')),
    );
    t.is(other, one, name);
  }
});

test('what a search cannot do is said, with what the least is', async t => {
  const folder = await temporary(t);
  await set(folder);
  await images(join(folder, 'few'), { 'train/cat': 5, 'train/dog': 1, 'test/cat': 2, 'test/dog': 2 });
  await images(join(folder, 'one'), { 'train/cat': 5, 'test/cat': 2 });
  const cases: [string[], number, RegExp][] = [
    [[], 2, /needs an SRAM budget/],
    [['--budget', '10k'], 1, /below the smallest scheme: training the head alone needs [\d,]+ B/],
    [['--budget', '1k,256k'], 1, /below the smallest scheme/],
    [['--budget', '256k', '--data', 'few'], 1, /class dog has 1 sample/],
    [['--budget', 'much'], 2, /--budget much: expected bytes/],
    [['--budget', '256k', '--time', 'soon'], 2, /--time soon: expected a time/],
    [['--budget', '256k', '--residual-bits', '3'], 2, /residual-bits/],
    [['--budget', '256k', '--data', 'one'], 1, /only one class, cat/],
    [['--budget', '256k', '--flash', '10k'], 1, /10,240 B of flash is below the smallest scheme/],
    [['--budget', '256k', '--max-instructions', '1M'], 1, /1,000,000 instructions is below .* takes [\d,]+ per step/],
    [['--budget', '256k', '--max-instructions', 'few'], 2, /--max-instructions few: expected instructions/],
    [['--budget', '256k', '--costs', 'nowhere.json'], 1, /nowhere.json: cannot be read: it does not exist/],
    [['--budget', '256k', '--target', 'nucleo'], 1, /there is no board 'nucleo'/],
  ];
  for (const [args, expected, message] of cases) {
    const data = args.includes('--data') ? [] : ['--data', 'images'];
    const { code, stderr } = await tinytrain(['search', ...data, ...args], folder);
    t.is(code, expected, args.join(' '));
    t.regex(stderr, message);
    t.true(stderr.split('\n').length <= 4, stderr);
    t.deepEqual((await fs.readdir(folder)).sort(), ['few', 'images', 'one'], args.join(' '));
  }
  const missing = await tinytrain(['search', '--resume', 'nowhere'], folder);
  t.is(missing.code, 1);
  t.regex(missing.stderr, /there is no search here/);
  const both = await tinytrain(['search', '--resume', 'nowhere', '--budget', '256k'], folder);
  t.is(both.code, 2);
  t.regex(both.stderr, /mutually exclusive/);
});
