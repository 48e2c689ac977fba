import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { checkTarget, writeTarget } from '#tinytrain/cli/files.js';
import { tinytrain } from '../helpers/cli.js';
import { temporary, write } from '../helpers/folder.js';
import { smallNet } from '../helpers/onnx.js';

const theirs = 'of the user';

test('a file that is there is replaced only if it may be; a link, a folder or a device never', async t => {
  const folder = await temporary(t);
  await write(folder, { file: theirs, 'in/x': theirs });
  const at = (name: string) => join(folder, name);
  await fs.symlink('file', at('link'));
  await fs.symlink('nowhere', at('dangling'));
  await t.throwsAsync(checkTarget(at('file'), false), { code: 'FILE_EXISTS', message: /would be overwritten/ });
  await t.throwsAsync(writeTarget(at('file'), 'ours', false), { code: 'FILE_EXISTS' });
  for (const [name, what] of [
    ['link', /it is a link/],
    ['dangling', /it is a link/],
    ['in', /it is a folder/],
    ['/dev/full', /it is no ordinary file/],
    ['file/below', /a part of the path is not a folder/],
  ] as const) {
    const path = name.startsWith('/') ? name : at(name);
    await t.throwsAsync(checkTarget(path, true), { code: 'FILE_ERROR', message: what });
    await t.throwsAsync(writeTarget(path, 'ours', true), { code: 'FILE_ERROR', message: what });
  }
  t.is(await fs.readFile(at('file'), 'utf8'), theirs);
  await writeTarget(at('file'), 'ours', true);
  await writeTarget(at('new/file'), 'ours', false);
  t.deepEqual(await Promise.all(['file', 'new/file', 'in/x'].map(name => fs.readFile(at(name), 'utf8'))), [
    'ours',
    'ours',
    theirs,
  ]);
});

test('every command that writes a file leaves one that is there alone, before any work', async t => {
  const folder = await temporary(t);
  await write(folder, { 'net.onnx': smallNet(16), there: theirs, 'found/contributions.svg': theirs });
  const train = ['train', '--steps', '1', '--lr', '0.01'];
  const made = await tinytrain([...train, '--out', 'run'], folder);
  t.is(made.code, 0, made.stderr);
  const before = (await fs.readdir(folder)).sort();
  // How each is told the name of a file.
  const commands: readonly (readonly string[])[] = [
    ['export', 'run', '--tflite'],
    ['export', 'run', '--npz'],
    ['report', 'run', '--out'],
    ['quantise', 'net.onnx', '--samples', '2', '--out'],
    [...train, '--csv'],
    ['search', '--budget', '60k', '--csv'],
    ['device', 'save', '--port', '/dev/null'],
  ];
  for (const command of commands) {
    const { code, stdout, stderr } = await tinytrain([...command, 'there', '--json'], folder);
    t.is(code, 1, `${command.join(' ')}: ${stderr}`);
    t.is(JSON.parse(stdout).error.code, 'FILE_EXISTS');
  }
  const searched = await tinytrain(['search', '--budget', '60k', '--out', 'found'], folder);
  t.regex(searched.stderr, /contributions\.svg is there, and not part of a search/);
  // Two outputs under one name are not one file.
  const both = await tinytrain(['export', 'run', '--tflite', 'new', '--npz', 'new'], folder);
  t.regex(both.stderr, /new: it is there already/);
  t.deepEqual((await fs.readdir(folder)).sort(), [...before, 'new'].sort());
  t.is(await fs.readFile(join(folder, 'there'), 'utf8'), theirs);
  const replaced = await tinytrain(['export', 'run', '--tflite', 'there', '--overwrite'], folder);
  t.is(replaced.code, 0, replaced.stderr);
  t.not(await fs.readFile(join(folder, 'there'), 'utf8'), theirs);
});
