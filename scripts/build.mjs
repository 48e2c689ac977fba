// Builds the package from its sources: `addon` (Rust, release), `ts` (package and tests), or both.
// npm runs it as `prepare` after `npm install` in a clone; the published package contains its output, so installing that needs no Rust.
import { chmodSync } from 'node:fs';
import { fail, has, root, run } from './lib/shell.mjs';

const what = process.argv.slice(2);
const all = what.length === 0;

if (all || what.includes('addon')) {
  if (!has('cargo')) {
    fail('building tinytrain from its sources needs Rust, and `cargo` is not on the PATH', [
      'install it with rustup (https://rustup.rs), then run `npm install` again',
    ]);
  }
  run('npx', [
    ...[
      '--no-install',
      'napi',
      'build',
      '--release',
      '--strip',
      '--platform',
      '--no-js',
      '--manifest-path',
      'crates/napi/Cargo.toml',
    ],
    // The types of the seam: `npm run types` copies them to ts/, where they are compiled and a change of them shows in a diff.
    ...['--output-dir', 'dist', '--dts', 'addon.d.ts', '--', '--locked'],
  ]);
}
if (all || what.includes('ts')) {
  run('npx', ['--no-install', 'tsc', '--build', 'test']);
  chmodSync(`${root}/dist/cli/main.cjs`, 0o755);
}
