import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { openRun, Predictor } from '#tinytrain';
import { tinytrain } from '../helpers/cli.js';
import { images, smallSet, temporary } from '../helpers/folder.js';

/** Rows of a .csv without quotes, by column. */
function rowsOf(text: string): Record<string, string>[] {
  const [head = '', ...lines] = text.trimEnd().split('\n');
  const names = head.split(',');
  return lines.map(line => Object.fromEntries(line.split(',').map((cell, i) => [names[i] ?? '', cell])));
}

test('several seeds are the runs that each makes alone, with mean and standard error; --csv has their curves', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  const options = ['train', '--data', 'images', '--scheme', 'bias:6', '--steps', '60', '--json'];
  const all = await tinytrain([...options, '--seed', '3..5', '--out', 'all', '--csv', 'out/all.csv'], folder);
  t.is(all.code, 0, all.stderr);
  t.is(all.stderr, '');
  const { runs, accuracy, seeds } = JSON.parse(all.stdout);
  t.deepEqual(seeds, [3, 4, 5]);
  const after = runs.map((run: { accuracy: { after: number } }) => run.accuracy.after);
  const mean = (after[0] + after[1] + after[2]) / 3;
  t.is(accuracy.after.mean, mean);
  const squares = after.reduce((sum: number, one: number) => sum + (one - mean) ** 2, 0);
  t.is(accuracy.after.standardError, Math.sqrt(squares / 2 / 3));

  const alone = await tinytrain([...options, '--seed', '4', '--out', 'alone', '--csv', 'alone.csv'], folder);
  const one = JSON.parse(alone.stdout);
  for (const part of ['checksum', 'curve', 'heldOut', 'tested', 'seed']) t.deepEqual(runs[1][part], one[part], part);
  const result = await (await openRun(join(folder, 'all', 'seed-4'))).result();
  t.is(result?.checksum, one.checksum);

  const rows = rowsOf(await fs.readFile(join(folder, 'out/all.csv'), 'utf8'));
  const alones = rowsOf(await fs.readFile(join(folder, 'alone.csv'), 'utf8'));
  t.deepEqual(
    rows.filter(({ seed }) => seed === '4'),
    alones,
  );
  t.deepEqual(
    alones.filter(row => row['loss'] !== '').map(row => [Number(row['step']), Number(row['loss'])]),
    one.curve.map((point: { step: number; loss: number }) => [point.step, point.loss]),
  );
  t.deepEqual(
    alones.filter(row => row['held_out_loss'] !== '').map(row => Number(row['held_out_accuracy'])),
    one.heldOut.points.map((point: { accuracy: number }) => point.accuracy),
  );
  // The last look is at all eight test images: the accuracy of the run.
  t.is(one.heldOut.on, 'test');
  t.is(one.heldOut.points.at(-1).accuracy, one.accuracy.after);
  t.is(one.heldOut.points[0].accuracy, one.accuracy.before);

  const again = await tinytrain([...options, '--seed', '5..6', '--out', 'all'], folder);
  t.is(again.code, 1);
  t.regex(again.stderr, /seed-5: there is already a training run here/);
});

test('compare pairs by test image and by seed, and its counts are those of the predictions', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 6);
  const options = ['train', '--data', 'images', '--json'];
  const make = (...more: string[]) => tinytrain([...options, ...more], folder);
  for (const more of [
    ['--steps', '1', '--out', 'short'],
    ['--steps', '80', '--scheme', 'bias:8', '--out', 'long'],
    ['--steps', '2', '--seed', '0..1', '--out', 'two'],
  ]) {
    const { code, stderr } = await make(...more);
    t.is(code, 0, stderr);
  }
  const { code, stdout, stderr } = await tinytrain(['compare', 'short', 'long', '--json'], folder);
  t.is(code, 0, stderr);
  const { folders, differences } = JSON.parse(stdout);
  const right = await Promise.all(
    ['short', 'long'].map(async name => {
      const run = await openRun(join(folder, name));
      const { test: set } = await run.samples();
      const found = await (await Predictor.open(run)).predictAll(set);
      return found.map(({ label }, i) => label === set.labels[i]);
    }),
  );
  const [a = [], b = []] = right;
  const [{ pairs, bySeed }] = differences;
  t.is(pairs[0].images, 12);
  t.is(pairs[0].onlyBase, a.filter((one, i) => one && !b[i]).length);
  t.is(pairs[0].onlyOther, a.filter((one, i) => !one && b[i]).length);
  t.is(pairs[0].both, a.filter((one, i) => one && b[i]).length);
  t.is(pairs[0].neither, a.filter((one, i) => !one && !b[i]).length);
  t.true(pairs[0].onlyOther > 0);
  t.is(bySeed.mean, folders[1].accuracy.mean - folders[0].accuracy.mean);

  const text = await tinytrain(['compare', 'two', 'short', 'two'], folder);
  t.is(text.code, 0, text.stderr);
  t.regex(text.stdout, /points of test accuracy over two/);
  t.regex(text.stdout, /two +\+0\.0 \+- 0\.0 +2 +24 +0 +0/);

  await tinytrain(['compile', '--data', 'images', '--out', 'firmware'], folder);
  await images(join(folder, 'others'), { 'train/cat': 6, 'train/dog': 6, 'test/cat': 5, 'test/dog': 5 });
  await tinytrain(['train', '--data', 'others', '--steps', '2', '--out', 'others-run'], folder);
  await tinytrain(['train', '--data', 'images', '--seed', '7..8', '--steps', '2', '--out', 'seven'], folder);
  for (const [args, message, ends] of [
    [['short'], /two folders or more/, 2],
    [['short', 'images'], /images: neither a training run nor a search nor a firmware/, 1],
    [['short', 'nowhere'], /nowhere: cannot be read: it does not exist/, 1],
    [['short', 'firmware'], /firmware: a firmware has no accuracy to compare/, 1],
    [['short', 'others-run'], /short and others-run: not tested on the same images/, 1],
    [['two', 'seven'], /two and seven: no seed in common/, 1],
  ] as const) {
    const found = await tinytrain(['compare', ...args], folder);
    t.is(found.code, ends, found.stderr);
    t.regex(found.stderr, message);
    t.is(found.stdout, '');
  }
});

test('searches are compared by seed, and --csv lists every scheme that was trained', async t => {
  const folder = await temporary(t);
  await images(join(folder, 'images'), { 'train/cat': 5, 'train/dog': 5, 'test/cat': 2, 'test/dog': 2 });
  const quick = ['--data', 'images', '--trial-steps', '4', '--proof-steps', '6', '--seeds', '2', '--json'];
  const search = (budget: string) =>
    tinytrain(['search', ...quick, '--budget', budget, '--out', budget, '--csv', `${budget}.csv`], folder);
  for (const budget of ['90k', '100k']) {
    const { code, stderr } = await search(budget);
    t.is(code, 0, stderr);
  }
  const { trials, front } = JSON.parse(await fs.readFile(join(folder, '100k', 'search.json'), 'utf8'));
  const rows = (await fs.readFile(join(folder, '100k.csv'), 'utf8')).trimEnd().split('\n').slice(1);
  const schemes = new Set(
    trials.map((one: Record<string, unknown>) => [one['scheme'], one['residualBits'], one['on'], one['steps']].join()),
  );
  t.is(rows.length, schemes.size);
  const winner = rows.find(
    row => row.includes(`"${front[0].scheme}",4,test`) || row.startsWith(`${front[0].scheme},4,test`),
  );
  t.true(winner?.includes(`,2,${front[0].accuracy.test.mean},`), winner);
  t.true(winner?.includes(`${front[0].sram},${front[0].instructions}`), winner);

  const { code, stdout, stderr } = await tinytrain(['compare', '90k', '100k', '--json'], folder);
  t.is(code, 0, stderr);
  const [{ seeds, bySeed, pairs }] = JSON.parse(stdout).differences;
  t.deepEqual([seeds.length, bySeed.seeds, pairs], [2, 2, []]);
  const broken = join(folder, '90k', 'search.json');
  await fs.writeFile(broken, '{}');
  const found = await tinytrain(['compare', '90k', '100k'], folder);
  t.is(found.code, 1);
  t.regex(found.stderr, /search\.json: not a valid result of a search: tinytrain is missing/);
});
