// Builds the package from its sources: `addon` (Rust, release), `ts` (package and tests), or both; and `wasm`, the addon as WebAssembly, beside the other.
// npm runs it as `prepare` after `npm install` in a clone; the published package contains its output, so installing that needs no Rust.
import { chmodSync, copyFileSync } from 'node:fs';
import { buildAddon } from './lib/addon.mjs';
import { platforms } from './lib/packages.mjs';
import { fail, has, root, run } from './lib/shell.mjs';

const what = process.argv.slice(2);
const all = what.length === 0;

if (all || what.includes('addon')) {
  if (!has('cargo')) {
    fail('building tinytrain from its sources needs Rust, and `cargo` is not on the PATH', [
      'install it with rustup (https://rustup.rs), then run `npm install` again',
    ]);
  }
  // The types of the seam, addon.d.ts, are copied by `npm run types` to ts/, where they are compiled and a change of them shows in a diff.
  buildAddon('dist');
}
if (what.includes('wasm')) {
  run('rustup', ['target', 'add', platforms['wasm32-wasi'].target]);
  buildAddon('dist', ['--target', platforms['wasm32-wasi'].target]);
}
if (all || what.includes('ts')) {
  run('npx', ['--no-install', 'tsc', '--build', 'test']);
  // For those who `require`: the same types, as those of a CommonJS module.
  copyFileSync(`${root}/index.d.ts`, `${root}/dist/index.d.cts`);
  chmodSync(`${root}/dist/cli/main.cjs`, 0o755);
}
