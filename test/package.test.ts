import { execFileSync, spawnSync } from 'node:child_process';
import { promises as fs, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { temporary } from './helpers/folder.js';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The loaders of the addon: ours, and that of napi-rs. */
const loaders = ['load.cjs', 'binding.cjs'];

/** A folder as the package is installed in, with the loader and packages beside it that only tell their names. */
async function installed(t: ExecutionContext, packages: readonly string[]): Promise<string> {
  const folder = await temporary(t);
  const write = async (path: string, text: string) => {
    await fs.mkdir(join(folder, path, '..'), { recursive: true });
    await fs.writeFile(join(folder, path), text);
  };
  const main = join('node_modules', 'tinytrain');
  await write(join(main, 'package.json'), readFileSync(join(root, 'package.json'), 'utf8'));
  for (const name of loaders) {
    await write(join(main, 'dist', name), readFileSync(join(root, 'dist', name), 'utf8'));
  }
  for (const name of packages) {
    await write(join('node_modules', name, 'package.json'), JSON.stringify({ name, version: '0.1.0' }));
    await write(join('node_modules', name, 'index.js'), `exports.model = '${name}'`);
  }
  return folder;
}

/** The package from which the addon is loaded, or the error, on a platform that is pretended. */
function chosen(folder: string, platform: string, arch: string, musl = false, env: NodeJS.ProcessEnv = {}): string {
  const script = `
    Object.defineProperty(process, 'platform', { value: '${platform}' });
    Object.defineProperty(process, 'arch', { value: '${arch}' });
    const fs = require('node:fs');
    const { readFileSync } = fs;
    fs.readFileSync = (path, ...rest) => (path === '/usr/bin/ldd' ? '${musl ? 'musl' : 'GNU'} libc' : readFileSync(path, ...rest));
    try {
      console.log(require('./dist/load.cjs').load().model);
    } catch (error) {
      console.log(error.message);
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    cwd: join(folder, 'node_modules', 'tinytrain'),
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return (stdout + stderr).trim();
}

test('package: each platform loads its own package, and every other one WebAssembly', async t => {
  const all = ['linux-x64-gnu', 'linux-x64-musl', 'linux-arm64-gnu', 'linux-arm64-musl', 'wasm32-wasi'];
  const folder = await installed(
    t,
    all.map(name => `tinytrain-${name}`),
  );
  t.is(chosen(folder, 'linux', 'x64'), 'tinytrain-linux-x64-gnu');
  t.is(chosen(folder, 'linux', 'x64', true), 'tinytrain-linux-x64-musl');
  t.is(chosen(folder, 'linux', 'arm64'), 'tinytrain-linux-arm64-gnu');
  t.is(chosen(folder, 'linux', 'arm64', true), 'tinytrain-linux-arm64-musl');
  t.is(chosen(folder, 'linux', 'riscv64'), 'tinytrain-wasm32-wasi');
  t.is(chosen(folder, 'darwin', 'arm64'), 'tinytrain-wasm32-wasi');
  t.is(chosen(folder, 'win32', 'x64'), 'tinytrain-wasm32-wasi');
  t.is(chosen(folder, 'linux', 'x64', false, { NAPI_RS_FORCE_WASI: 'error' }), 'tinytrain-wasm32-wasi');
});

test('package: without a package for the platform, the error says what was tried', async t => {
  const folder = await installed(t, ['tinytrain-linux-x64-musl']);
  t.regex(chosen(folder, 'linux', 'x64'), /native binding/);
  t.is(chosen(folder, 'linux', 'x64', true), 'tinytrain-linux-x64-musl');
});

test('package: what it needs is packed', t => {
  const text = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  });
  const [{ files }] = JSON.parse(text) as [{ files: { path: string }[] }];
  const paths = new Set(files.map(({ path }) => path));
  for (const path of [
    'docs/errors.md',
    'scripts/device-tables.mjs',
    'scripts/lib/shell.mjs',
    'dist/binding.cjs',
    'dist/require.cjs',
    'dist/index.d.cts',
    'crates/target/cores/cortex-m7/functions.json',
    'crates/kernels/c/tt_kernels.h',
  ]) {
    t.true(paths.has(path), path);
  }
});
