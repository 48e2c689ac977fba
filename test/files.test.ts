import { existsSync, promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { TinytrainError } from '#tinytrain';
import { checkWritable, inTemporaryFolder, makeFolder, replaceFile } from '#tinytrain/files.js';
import { temporary, write } from './helpers/folder.js';

test('folders are made with those above them, as often as one likes', async t => {
  const folder = join(await temporary(t), 'a', 'b', 'c');
  await checkWritable(folder);
  t.false(existsSync(folder), 'a check makes nothing');
  await makeFolder(folder);
  await makeFolder(folder);
  t.true((await fs.stat(folder)).isDirectory());
});

test('a folder that cannot be is refused, at once', async t => {
  const folder = await temporary(t);
  await write(folder, { file: '' });
  await t.throwsAsync(makeFolder(join(folder, 'file')), { code: 'EEXIST' });
  await t.throwsAsync(makeFolder(join(folder, 'file', 'inner')), { code: 'ENOTDIR' });
  for (const path of [join(folder, 'file'), join(folder, 'file', 'inner')]) {
    t.is((await t.throwsAsync(checkWritable(path), { instanceOf: TinytrainError })).code, 'FILE_ERROR');
  }
  // Where Node's own recursive mkdir never returns.
  if (process.platform === 'linux') await t.throwsAsync(makeFolder('/proc/none/inner'), { code: 'ENOENT' });
});

test('a file is replaced whole, and nothing is left beside it', async t => {
  const folder = await temporary(t);
  const path = join(folder, 'state.json');
  await replaceFile(path, 'one');
  await replaceFile(path, 'two');
  t.is(await fs.readFile(path, 'utf8'), 'two');
  await t.throwsAsync(replaceFile(join(folder, 'none', 'x'), ''), { instanceOf: TinytrainError });
  t.deepEqual(await fs.readdir(folder), ['state.json']);
});

test('a folder that is needed for a while goes, and so do those of processes that were killed', async t => {
  let path = '';
  const work = async (folder: string) => {
    path = folder;
    await write(folder, { 'a/b': '' });
    throw new Error('of the work');
  };
  await t.throwsAsync(inTemporaryFolder('test', work), { message: 'of the work' });
  t.false(existsSync(path));
  const left = path.replace(`-${process.pid}-`, '-4194305-');
  await write(left, { 'a/b': '' });
  await inTemporaryFolder('test', async () => t.false(existsSync(left)));
});
