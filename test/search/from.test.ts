import { spawn } from 'node:child_process';
import { existsSync, promises as fs } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { compile, loadImages, loadModel, Predictor, train } from '#tinytrain';
import { learnedModel } from '#tinytrain/program/export.js';
import { command, tinytrain } from '../helpers/cli.js';
import { images, smallSet, temporary } from '../helpers/folder.js';

const quick = ['--trial-steps', '4', '--proof-steps', '6', '--seeds', '2', '--threads', '1'];

test('what a run has learned is a model that predicts, under any scheme, what the run predicted', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  const model = await loadModel();
  const data = await loadImages(join(folder, 'images'), model.input);
  const program = await compile(model, data, { scheme: 'bias:4,19:1/2' });
  const { state } = await train(program, data, { steps: 60 });
  const learned = program.withState(state);
  const path = join(folder, 'learned.tflite');
  const { model: made, tflite } = await learnedModel(learned, model, path);
  t.deepEqual(made.description.labels, data.classes);
  await fs.writeFile(path, tflite);
  t.is((await loadModel(path)).hash, made.hash);
  const known = await Predictor.of(learned).predictAll(data.test);
  t.notDeepEqual(await Predictor.of(program).predictAll(data.test), known);
  for (const scheme of ['head', 'bias:4,19:1/2', 'bias:21,11:1,17:1/4']) {
    const other = await compile(made, data, { scheme });
    t.deepEqual(await Predictor.of(other).predictAll(data.test), known, scheme);
  }
});

test('a search goes on from a run: its classifier, its classes, its limits; stopped and continued, with the same files', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  await images(join(folder, 'wider'), { 'train/ant': 6, 'test/ant': 3, 'train/dog': 6, 'test/dog': 3 });
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await tinytrain([...args, '--json'], folder);
    t.is(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const scheme = ['--scheme', 'bias:4,19:1/2', '--budget', '100k', '--seed', '3'];
  const run = await json('train', '--data', 'images', ...scheme, '--steps', '60', '--out', 'run');
  const from = ['search', '--from', 'run', '--data', 'wider', ...quick];
  const found = await json(...from, '--out', 'found');
  t.deepEqual([found.budget, found.plan.seed], [102_400, 3]);
  t.deepEqual(found.data.classes, ['cat', 'dog', 'ant']);
  t.is(found.origin.model.path, join(await fs.realpath(folder), 'found', 'learned.tflite'));

  // From now on neither run nor model is needed.
  const child = spawn(process.execPath, [command, ...from, '--out', 'stopped'], { cwd: folder, stdio: 'ignore' });
  const ended = new Promise<number | null>(resolve => child.on('close', resolve));
  const journal = join(folder, 'stopped', 'journal.jsonl');
  const lines = async () => (existsSync(journal) ? (await fs.readFile(journal, 'utf8')).split('\n').length : 0);
  while ((await lines()) < 20 && child.exitCode === null) await sleep(5);
  child.kill('SIGINT');
  t.is(await ended, 130);
  await fs.rename(join(folder, 'run'), join(folder, 'away'));
  const again = await json('search', '--resume', 'stopped', '--threads', '1');
  t.is(again.scheme, found.scheme);
  t.deepEqual(again.trials, found.trials);

  // What is found is trained, and starts where the run has ended.
  const model = ['--model', 'found/learned.tflite', '--steps', '2', '--lr', '0.0001'];
  const same = await json('train', ...model, '--data', 'images', '--scheme', 'found/scheme.json');
  t.deepEqual([same.accuracy.before, same.loss.before], [run.accuracy.after, run.loss.after]);
  const compiled = await tinytrain(
    ['compile', '--model', 'found/learned.tflite', '--data', 'wider', '--scheme', 'found/scheme.json'],
    folder,
  );
  t.is(compiled.code, 0, compiled.stderr);
});

test('a search from a run without a budget has none; what does not go together is said', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  const trained = await tinytrain(
    ['train', '--data', 'images', '--steps', '2', '--lr', '0.001', '--out', 'run'],
    folder,
  );
  t.is(trained.code, 0, trained.stderr);
  for (const [args, code, message] of [
    [['--from', 'run'], 2, /needs an SRAM budget/],
    [['--from', 'nowhere', '--budget', '256k'], 1, /nowhere: there is no training run here/],
    [['--from', 'run', '--budget', '256k', '--input', '64x64'], 2, /from.*input|input.*from/],
    [['--from', 'run', '--resume', 'other'], 2, /from.*resume|resume.*from/],
  ] as const) {
    const found = await tinytrain(['search', ...args], folder);
    t.is(found.code, code, found.stderr);
    t.regex(found.stderr, message);
  }
});
