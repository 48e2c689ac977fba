import { spawnSync } from 'node:child_process';
import { existsSync, promises as fs } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type ErrorCode, TinytrainError } from '#tinytrain';
import { unfinished } from '#tinytrain/files.js';
import { checkFree, inOwnFolder, isInside, lockByNumber, OwnFolder, settle } from '#tinytrain/folder.js';
import { changesOf, failing, faults } from './helpers/faults.js';
import { contentOf, quick, temporary, write } from './helpers/folder.js';

const before = { 'a.txt': 'old a', 'sub/b.txt': 'old b', 'gone.txt': 'old', 'yours.txt': 'of the user' };
const after = { 'a.txt': 'new a, longer', 'sub/b.txt': 'new b', 'sub/deep/c.txt': 'new c' };

async function refused(t: ExecutionContext, work: Promise<unknown>, code: ErrorCode, message?: RegExp): Promise<void> {
  const error = await t.throwsAsync(work, { instanceOf: TinytrainError });
  t.is(error.code, code, error.message);
  if (message) t.regex(error.message, message);
}

const change = (folder: string) =>
  inOwnFolder(folder, own => own.write(new Map(Object.entries(after)), ['gone.txt', 'not there']));

// Serial: the changes of all tests of a file pass through one place.
test.serial('what is written is the old or the new, complete, whichever change of the disk fails', async t => {
  const root = await quick(t);
  const fresh = async (name: string) => {
    await write(join(root, name), before);
    return join(root, name);
  };
  const changes = await changesOf(async () => change(await fresh('counted')));
  t.true(changes > 25, `${changes} changes`);
  const old = before;
  const { 'gone.txt': _, ...kept } = { ...before, ...after };
  const ends = { old: 0, new: 0 };
  for (const fault of faults) {
    for (let at = 0; at < changes; at++) {
      const folder = await fresh(`${fault}-${at}`);
      const error = await failing(at, fault, () => change(folder));
      // The next process ends or clears what is left.
      await settle(folder);
      await inOwnFolder(folder, async () => {});
      const found = await contentOf(folder);
      const isNew = 'sub/deep/c.txt' in found;
      t.deepEqual(found, isNew ? kept : old, `${fault} at ${at}`);
      if (error === undefined) t.true(isNew, `${fault} at ${at}: said to be written`);
      ends[isNew ? 'new' : 'old']++;
      await change(folder);
      t.deepEqual(await contentOf(folder), kept);
    }
  }
  t.log(`${changes} changes, each failing in ${faults.length} ways: old ${ends.old}, new ${ends.new}`);
  t.true(ends.old > 0 && ends.new > 0);
});

test.serial('the end of an interrupted change may be interrupted again, at any change', async t => {
  const root = await quick(t);
  const changes = await changesOf(async () => {
    await write(join(root, 'counted'), before);
    await change(join(root, 'counted'));
  });
  const { 'gone.txt': _, ...kept } = { ...before, ...after };
  let tried = 0;
  for (let at = 0; at < changes; at += at < changes / 3 ? 5 : 2) {
    for (let then = 0; then < 12; then += 2) {
      const folder = join(root, `${at}-${then}`);
      await write(folder, before);
      await failing(at, 'dead', () => change(folder));
      await failing(then, 'dead', () => settle(folder));
      await inOwnFolder(folder, async () => {});
      const found = await contentOf(folder);
      t.deepEqual(found, 'sub/deep/c.txt' in found ? kept : before, `${at}, then ${then}`);
      tried++;
    }
  }
  t.log(`${tried} pairs of deaths`);
});

test('a folder has one owner at a time, and the other is told in one sentence', async t => {
  const folder = join(await temporary(t), 'own');
  const own = await OwnFolder.open(folder);
  const message = new RegExp(`own: process ${process.pid} of tinytrain is at work in this folder$`);
  await refused(t, OwnFolder.open(folder), 'FOLDER_BUSY', message);
  await refused(t, checkFree(folder), 'FOLDER_BUSY');
  await own.write(new Map([['x', '1']]));
  await own.close();
  await checkFree(folder);
  t.deepEqual(await contentOf(folder), { x: '1' });
  // What a dead process has left of its lock keeps nobody out.
  await write(folder, { '.tinytrain.lock': '999999' });
  await inOwnFolder(folder, async () => {});
  t.deepEqual(await contentOf(folder), { x: '1' });
});

test('a folder that was made and not written to is gone again; others stay', async t => {
  const root = await temporary(t);
  await inOwnFolder(join(root, 'none'), async () => {});
  t.false(existsSync(join(root, 'none')));
  await fs.mkdir(join(root, 'empty'));
  await inOwnFolder(join(root, 'empty'), async () => {});
  t.true(existsSync(join(root, 'empty')));
});

test('nothing is followed out of the folder', async t => {
  const root = await temporary(t);
  await write(root, { 'victim/keep.txt': 'x', 'own/a.txt': 'old' });
  const own = join(root, 'own');
  for (const name of ['sub', 'a.link', '.tinytrain.new', '.tinytrain.lock']) {
    await fs.symlink(name === 'a.link' ? '../victim/keep.txt' : '../victim', join(own, name));
    const files = new Map([
      ['a.txt', 'new'],
      [name === 'a.link' ? name : `${name.startsWith('.') ? 'more' : name}/keep.txt`, 'new'],
    ]);
    await refused(
      t,
      inOwnFolder(own, folder => folder.write(files)),
      'FOLDER_LINK',
      /a link, where tinytrain would/,
    );
    await refused(
      t,
      inOwnFolder(own, folder => folder.write(new Map(), [...files.keys()])),
      'FOLDER_LINK',
    );
    await fs.unlink(join(own, name));
    t.deepEqual(await contentOf(root), { 'victim/keep.txt': 'x', 'own/a.txt': 'old' });
  }
  for (const path of ['../x', '/x', 'a/../../x', '.', '', 'a//b', 'a\\..\\b', 'c:x', './x', 'a/.', 'x\0']) {
    t.false(isInside(path), path);
    await refused(
      t,
      inOwnFolder(own, folder => folder.write(new Map([[path, '']]))),
      'INTERNAL',
    );
  }
  t.true(['a', 'a/b', '.hidden', 'a/..b', 'board/my board/x.c'].every(isInside));
});

test('a commit that is not ours is refused, and what it names outside stays', async t => {
  const root = await temporary(t);
  await write(root, { 'victim/keep.txt': 'x', 'own/a.txt': 'old' });
  const own = join(root, 'own');
  const commits = ['', '{}', '{"format":1}', '{"format":1,"files":{},"removed":["../victim/keep.txt"]}'];
  for (const commit of commits) {
    await write(own, { '.tinytrain.new/commit.json': commit });
    await refused(t, settle(own), 'FOLDER_BROKEN', /commit\.json/);
  }
  t.is(await fs.readFile(join(root, 'victim/keep.txt'), 'utf8'), 'x');
  t.is(await fs.readFile(join(own, 'a.txt'), 'utf8'), 'old');
});

test('left-overs of dead processes go, those of living ones and other machines stay', async t => {
  const folder = await temporary(t);
  const living = unfinished(join(folder, 'state.json'));
  const dead = living.replace(`-${process.pid}-`, '-4194305-');
  const foreign = living.replace(/\.[0-9a-f]{6}-/, '.000000-');
  const old = living.replace(/\.[0-9a-f]{6}-/, '.111111-');
  for (const path of [living, dead, foreign, old]) await fs.writeFile(path, 'half');
  await fs.utimes(old, 0, 0);
  await inOwnFolder(folder, async () => {});
  t.deepEqual(
    [living, dead, foreign, old].map(path => existsSync(path)),
    [true, false, true, false],
  );
});

test('a lock without the system’s holds while its process lives', async t => {
  const file = join(await temporary(t), 'lock');
  t.truthy(await lockByNumber(file));
  t.is(await fs.readFile(file, 'utf8'), String(process.pid));
  t.is(await lockByNumber(file), undefined);
  // Of a process that has ended.
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  await fs.writeFile(file, String(pid));
  t.truthy(await lockByNumber(file));
  t.is(await fs.readFile(file, 'utf8'), String(process.pid));
});
