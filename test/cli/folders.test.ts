import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { tinytrain } from '../helpers/cli.js';
import { smallSet, temporary, write } from '../helpers/folder.js';

/** Refused in one sentence, as something that the user can mend. */
async function refused(t: ExecutionContext, folder: string, args: readonly string[], message: RegExp, code?: string) {
  const { code: exit, stdout, stderr } = await tinytrain(args, folder);
  t.is(exit, 1, `${args.join(' ')}: ${stderr}`);
  t.regex(stderr.split('\n')[0] ?? '', message);
  t.notRegex(stderr, /defect|TypeError/);
  if (code !== undefined) t.is(JSON.parse(stdout).error.code, code);
}

test('a run with a normalisation of its own is predicted from and resumed as it was begun', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 8, 4);
  const options = ['--mean', '0', '--std', '400', '--scheme', 'bias:6', '--steps', '60', '--json'];
  const trained = await tinytrain(['train', '--data', 'images', ...options, '--out', 'run'], folder);
  t.is(trained.code, 0, trained.stderr);
  const result = JSON.parse(trained.stdout);
  const classes = ['cat', 'dog'];
  const predicted = await Promise.all(
    classes.map(name => tinytrain(['predict', 'run', `images/test/${name}`, '--json'], folder)),
  );
  const right = predicted.map(
    ({ stdout }, i) => JSON.parse(stdout).predictions.filter((p: { class: string }) => p.class === classes[i]).length,
  );
  t.is((right[0] + right[1]) / 8, result.accuracy.after);
  const resumed = await tinytrain(['train', '--resume', 'run', '--json'], folder);
  t.is(resumed.code, 0, resumed.stderr);
  t.is(JSON.parse(resumed.stdout).checksum, result.checksum);
});

test('a budget that is too small is said before an image is decoded', async t => {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 4, 2);
  for (const split of ['train', 'test']) {
    for (const name of ['cat', 'dog']) {
      const path = join(folder, 'images', split, name);
      for (const file of await fs.readdir(path)) await fs.writeFile(join(path, file), 'broken');
    }
  }
  const data = ['--data', 'images', '--json'];
  await refused(t, folder, ['train', ...data, '--budget', '1k'], /more than the budget of 1,024 B/, 'BUDGET_EXCEEDED');
  await refused(t, folder, ['train', ...data, '--flash', '1k'], /more than the budget of 1,024 B/, 'BUDGET_EXCEEDED');
  await refused(t, folder, ['compile', ...data, '--scheme', 'full'], /more than the .* that .* has/, 'BOARD_TOO_SMALL');
  await refused(t, folder, ['search', ...data, '--budget', '1k'], /below the smallest scheme/, 'BUDGET_TOO_SMALL');
  await refused(t, folder, ['train', ...data, '--budget', '256k'], /not an image/, 'IMAGE_CORRUPT');
});

test('folders that hold anything else than what tinytrain wrote are refused', async t => {
  const folder = await temporary(t);
  const contents = ['{"format":1}', '{"format":2}', '{}', '[]', 'null', '7', '"x"', '', '{', '\0'];
  for (const [i, content] of contents.entries()) {
    const name = `a${i}`;
    await write(folder, {
      [`${name}/run.json`]: content,
      [`${name}/manifest.json`]: content,
      [`${name}/journal.jsonl`]: `${content}\n`,
      [`${name}/scheme.json`]: content,
      [`${name}/costs.json`]: content,
    });
    await refused(t, folder, ['predict', name, 'x.png'], /run\.json: /);
    await refused(t, folder, ['train', '--resume', name], /run\.json: /);
    await refused(t, folder, ['run', name], /manifest\.json: /);
    await refused(t, folder, ['compile', '--out', name], /manifest\.json: /);
    await refused(t, folder, ['search', '--resume', name], /there is no search here|journal\.jsonl:1: /);
    const search = ['search', '--budget', '256k', '--costs', `${name}/costs.json`];
    await refused(t, folder, search, /costs\.json: /, undefined);
    // A text alone is a scheme, though none of ours.
    await refused(t, folder, ['train', '--scheme', `${name}/scheme.json`], /scheme/);
  }
});
