import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { openRun, Predictor } from '#tinytrain';
import { html } from '#tinytrain/report/html.js';
import { ticksOf } from '#tinytrain/report/ticks.js';
import { tinytrain } from '../helpers/cli.js';
import { temporary } from '../helpers/folder.js';
import { hostile, reportFolders } from '../helpers/report.js';

test('whatever is put into a page is escaped', t => {
  const { text } =
    html`<b title="${'"><script>'}">${['&', html`<i>${"'"}</i>`, null, false, 3]}${'a\u202eb\u0007'}</b>`;
  t.is(text, '<b title="&quot;&gt;&lt;script&gt;">&amp;<i>&#39;</i>3a\\u202eb\\u0007</b>');
});

test('marks of an axis are told apart by their digits', t => {
  const marks = (low: number, high: number) => {
    const { values, digits } = ticksOf(low, high, 6);
    return values.map(value => value.toFixed(digits));
  };
  t.deepEqual(marks(0, 0.0123), ['0.000', '0.005', '0.010']);
  t.deepEqual(marks(-0.1, 0.35), ['-0.1', '0.0', '0.1', '0.2', '0.3']);
  t.deepEqual(marks(0, 12), ['0', '2', '4', '6', '8', '10', '12']);
});

test('a report is one file that loads nothing; its figures are those of the folders, and names from disk are text', async t => {
  const folder = await temporary(t);
  const folders = await reportFolders(folder);
  const { code, stdout, stderr } = await tinytrain(['report', ...folders, '--out', 'out/r.html', '--json'], folder);
  t.is(code, 0, stderr);
  const page = await fs.readFile(join(folder, 'out/r.html'), 'utf8');

  const held = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)?.[1] ?? '';
  const data = JSON.parse(held);
  t.deepEqual(data, JSON.parse(stdout));
  const [run, search, firmware] = data.entries;

  const {
    format,
    tinytrain: _version,
    sha256,
    ...result
  } = JSON.parse(await fs.readFile(join(folder, 'run/result.json'), 'utf8'));
  t.deepEqual(run.runs, [result]);
  const program = await (await openRun(join(folder, 'run'))).program();
  t.deepEqual(run.program.memory, JSON.parse(JSON.stringify(program.memory)));
  t.is(run.program.arenaBytes, program.record.arenaBytes);
  t.deepEqual(
    run.program.buffers.map(({ offset, size, windows }: Record<string, unknown>) => ({ offset, size, windows })),
    program.record.buffers.map(({ offset, size, windows }) => ({
      offset,
      size,
      windows: JSON.parse(JSON.stringify(windows)),
    })),
  );
  const { trials, ...found } = JSON.parse(await fs.readFile(join(folder, 'search/search.json'), 'utf8'));
  t.deepEqual(search.search, found);
  t.is(
    search.trained.reduce((sum: number, one: { accuracy: { seeds: number } }) => sum + one.accuracy.seeds, 0),
    trials.length,
  );
  const manifest = JSON.parse(await fs.readFile(join(folder, 'firmware/manifest.json'), 'utf8'));
  t.deepEqual(firmware.program.memory, manifest.memory);

  // What learns is what the Program has as state.
  const trained = run.program.layers.reduce((sum: number, one: { weights: number }) => sum + one.weights, 0);
  const weights = program.record.states.filter(({ kind }) => kind === 'weights' || kind === 'headWeights');
  t.is(
    trained,
    weights.reduce((sum, { length }) => sum + length, 0),
  );
  t.deepEqual(
    run.program.layers
      .filter((one: { share: string | null }) => one.share !== null)
      .map((one: { label: string }) => one.label),
    ['conv 18'],
  );
  // A copy of the channels that a weight update reads is a step, and no layer.
  const moves = (of: readonly { label: string }[]) => of.filter(({ label }) => label === 'move').length;
  t.deepEqual([moves(program.record.steps) > 0, moves(run.program.layers)], [true, 0]);

  // The worst mistakes are those that the run makes.
  const opened = await openRun(join(folder, 'run'));
  const { test: set } = await opened.samples();
  const predictions = await (await Predictor.open(opened)).predictAll(set);
  const wrong = predictions.filter(({ label }, i) => label !== set.labels[i]);
  t.is(run.mistakes.of, wrong.length);
  t.deepEqual(
    run.mistakes.worst.map(({ score }: { score: number }) => score),
    wrong
      .map(({ score }) => score)
      .sort((a, b) => b - a)
      .slice(0, 12),
  );

  t.true(run.runs[0].data.classes.includes(hostile));
  t.false(page.includes(hostile));
  t.true(page.includes('&lt;img src=x onerror=alert(1)&gt;'));
  t.regex(page, /Content-Security-Policy" content="default-src &#39;none&#39;/);
  t.deepEqual([...page.matchAll(/<(?:img|script|link)[^>]*(?:src|href)="(?!data:)[^"]*"/g)].map(String), []);
  // Handlers as attributes, outside of quoted values and scripts.
  const markup = page.replace(/<script[\s\S]*?<\/script>/g, '').replace(/"[^"]*"/g, '""');
  t.deepEqual([...markup.matchAll(/<[a-z]+ [^>]*\son[a-z]+=/g)].map(String), []);
});

test('a report of what is no folder of ours, or has not ended, is refused in one sentence', async t => {
  const folder = await temporary(t);
  await fs.mkdir(join(folder, 'empty'));
  await fs.mkdir(join(folder, 'taken'));
  for (const [args, message] of [
    [['empty', '--out', 'r.html'], /empty: neither a training run nor a search nor a firmware/],
    [['none', '--out', 'r.html'], /none: cannot be read: it does not exist/],
    [['empty', '--out', 'taken'], /taken: cannot be written: it is a folder/],
  ] as const) {
    const { code, stderr } = await tinytrain(['report', ...args], folder);
    t.is(code, 1, stderr);
    t.regex(stderr, message);
  }
  t.deepEqual((await fs.readdir(folder)).sort(), ['empty', 'taken']);
});
