// Packs a release for this machine, `tinytrain` and the package of its platform, installs both in an empty folder without Rust on the PATH, and uses them as a
// user would: command, import, require, types.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { host, packRelease } from './lib/packages.mjs';
import { fail, has, read, root } from './lib/shell.mjs';

const folder = mkdtempSync(join(tmpdir(), 'tinytrain-package-'));
// Node and what a shell needs, without cargo.
const env = { ...process.env, PATH: [dirname(process.execPath), '/usr/bin', '/bin'].join(':') };
const inFolder = { cwd: folder, env };

function expect(ok, what) {
  if (!ok) fail(`the installed package: ${what}`);
  console.log(`ok: ${what}`);
}

try {
  const [main, platform] = packRelease({ [host()]: join(root, 'dist') }, join(root, 'build', 'npm-host'));
  expect(
    platform.files.filter(path => path.endsWith('.node')).length === 1,
    `${platform.name} holds the addon (${platform.size} B)`,
  );
  expect(
    platform.files.includes('THIRD-PARTY.txt') && !main.files.some(path => path.includes('THIRD-PARTY')),
    'the licences of what it contains of others go along with the addon',
  );
  expect(
    !main.files.some(path => /\.(node|wasm)$|^(crates\/.*\.rs|ts\/|test\/)/.test(path)),
    `${main.name} holds no compiled code, and no sources of ours but C kernels (${main.files.length} files, ${main.size} B)`,
  );
  for (const path of [
    'docs/boards.md',
    'docs/errors.md',
    'scripts/device-tables.mjs',
    'device/boards/stm32f746/board.toml',
  ]) {
    expect(main.files.includes(path), `holds ${path}`);
  }
  const tarball = readFileSync(main.tarball);
  const { messages, pkg } = await publint({
    pack: { tarball: tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength) },
  });
  expect(
    messages.length === 0,
    ['publint finds nothing', ...messages.map(message => formatMessage(message, pkg))].join('\n  '),
  );
  const found = await checkPackage(createPackageFromTarballData(tarball));
  // Browsers have no `require`.
  const problems = found.problems.filter(
    ({ kind, entrypoint }) => kind !== 'CJSResolvesToESM' || entrypoint !== './browser',
  );
  expect(
    problems.length === 0,
    ['attw finds nothing', ...problems.map(problem => JSON.stringify(problem))].join('\n  '),
  );

  writeFileSync(
    join(folder, 'package.json'),
    '{ "name": "empty", "version": "1.0.0", "private": true, "type": "module" }',
  );
  const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', main.tarball, platform.tarball];
  const said = spawnSync('npm', install, { ...inFolder, encoding: 'utf8' });
  expect(said.status === 0, `npm installs both\n${said.status === 0 ? '' : said.stderr}`.trim());
  expect(!/warn.*tinytrain/i.test(said.stderr), `npm warns of nothing of ours ${said.stderr}`.trim());

  const inspected = JSON.parse(read('npx', ['--no-install', 'tinytrain', 'inspect', '--json'], inFolder));
  expect(inspected.layers.length > 0, '`npx tinytrain inspect --json` shows the default model');

  if (has('arm-none-eabi-gcc') && has('make')) {
    // A board of the user's own, as docs/boards.md has it: here a shipped one under another name.
    const shipped = join(folder, 'node_modules', 'tinytrain', 'device', 'boards', 'qemu-mps2-an386');
    for (const file of ['board.toml', 'board.c', 'flash.c'])
      cpSync(join(shipped, file), join(folder, 'my-board', file));
    read('npx', ['--no-install', 'tinytrain', 'board', 'my-board'], inFolder);
    read('npx', ['--no-install', 'tinytrain', 'compile', '--target', 'my-board', '--out', 'firmware'], inFolder);
    read('make', ['-s', '-C', 'firmware', 'STRICT=1'], inFolder);
    expect(true, 'a board of the user’s is prepared, compiled for and built');
  }

  const script = `
    import { loadModel, TinytrainError } from 'tinytrain';
    const model = await loadModel();
    const { height, width, channels } = model.input;
    const { outputs } = await model.forward(new Int8Array(height * width * channels));
    const error = await loadModel('none').catch(e => e);
    console.log(outputs.length > 0 && error instanceof TinytrainError && error.code);`;
  writeFileSync(join(folder, 'use.mjs'), script);
  expect(
    read('node', ['use.mjs'], inFolder).trim() === 'FILE_ERROR',
    '`import ... from "tinytrain"` runs a model and has typed errors',
  );

  const forBrowsers = `
    import { loadModel, pixelSample } from 'tinytrain/browser';
    const model = await loadModel();
    console.log(pixelSample({ width: 9, height: 9, data: new Uint8Array(4 * 81) }, model.input).length > 0);`;
  writeFileSync(join(folder, 'browser.mjs'), forBrowsers);
  expect(
    read('node', ['browser.mjs'], inFolder).trim() === 'true',
    '`tinytrain/browser` is there, and runs under Node too',
  );

  const required = `const { loadModel, TinytrainError } = require('tinytrain');
    loadModel('none').catch(e => console.log(e instanceof TinytrainError && e.code));`;
  writeFileSync(join(folder, 'use.cjs'), required);
  expect(read('node', ['use.cjs'], inFolder).trim() === 'FILE_ERROR', '`require("tinytrain")` is the same');

  const typed = `
    import { loadModel, type ForwardResult } from 'tinytrain';
    export { type Pixels, predict } from 'tinytrain/browser';
    const model = await loadModel('x.tflite');
    const found: ForwardResult = await model.forward(new Int8Array(1), { tensors: true });
    export const first: Int8Array | undefined = found.tensors.get(0) ?? found.outputs[0];`;
  writeFileSync(join(folder, 'use.ts'), typed);
  const typedRequire = `
    import tinytrain = require('tinytrain');
    export const failed = (error: unknown): tinytrain.ErrorCode | undefined =>
      error instanceof tinytrain.TinytrainError ? error.code : undefined;`;
  writeFileSync(join(folder, 'used.cts'), typedRequire);
  const compilerOptions = { strict: true, noEmit: true, target: 'es2023', module: 'nodenext', types: ['node'] };
  // A Node service in TypeScript has Node's types itself; this package need not provide them.
  Object.assign(compilerOptions, { typeRoots: [join(root, 'node_modules', '@types')] });
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts', 'used.cts'] }));
  read('node', [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder], inFolder);
  expect(true, 'its types are found, from ES modules and from CommonJS');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
