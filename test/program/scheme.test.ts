import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Compiler, loadModel, schemeText, TinytrainError } from '#tinytrain';
import { temporary, write } from '../helpers/folder.js';

test('a JSON file holds a scheme as text or as a record', async t => {
  const folder = await temporary(t);
  const cases: [unknown, string][] = [
    ['bias:3', 'bias:3'],
    [{ scheme: 'full' }, 'full'],
    [{ bias: 22, weights: { 21: 1, 36: '1/8' } }, 'bias:22,21:1,36:1/8'],
    [{ bias: 2 }, 'bias:2'],
    [{ scheme: { weights: { 4: '1/2' } } }, '4:1/2'],
  ];
  for (const [content, text] of cases) {
    await write(folder, { 'scheme.json': JSON.stringify(content) });
    t.is(await schemeText(join(folder, 'scheme.json')), text);
  }
  t.is(await schemeText('head'), 'head');
});

test('a file that holds no scheme is refused', async t => {
  const folder = await temporary(t);
  for (const content of ['{', '[]', '{}', 'null', '7']) {
    await fs.writeFile(join(folder, 'scheme.json'), content);
    const error = await t.throwsAsync(schemeText(join(folder, 'scheme.json')), { instanceOf: TinytrainError });
    t.is(error.code, 'SCHEME_INVALID');
  }
});

test('a Program has its scheme in the long form, its stages can be looked at', async t => {
  const model = await loadModel();
  const compiler = await Compiler.create(model, { classes: ['a', 'b'] });
  const program = await compiler.compile({ scheme: '3:1/2,bias:2' });
  t.is(program.scheme, 'bias:2,3:1/2');
  t.deepEqual(
    (await compiler.stages('bias:1')).map(({ name }) => name),
    ['import', 'head', 'fold', 'autodiff', 'prune', 'fuse', 'gather', 'schedule'],
  );
  const budget = await t.throwsAsync(compiler.compile({ budget: 1000 }), { instanceOf: TinytrainError });
  t.is(budget.code, 'BUDGET_EXCEEDED');
  t.is(Number(budget.details['needed']) - Number(budget.details['missing']), 1000);
});
