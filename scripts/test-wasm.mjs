// Tests the WebAssembly build: the kernels by the conformance suite and by their own tests; the addon under Node, with the native one not even looked at, by the
// golden networks, the pinned training run and the kernels, which compare checksums with those of the native addon; the addon in a browser, against the native one
// under Node. Building it takes minutes, so that this belongs to a release and not to `npm test`.
import { join } from 'node:path';
import { env } from 'node:process';
import { root, run } from './lib/shell.mjs';

const TARGET = 'wasm32-wasip1';
run('rustup', ['target', 'add', TARGET]);
run('cargo', ['test', '--locked', '-p', 'tinytrain-conformance', '--test', 'targets']);
const node = `node --no-warnings ${join(root, 'scripts/lib/wasi-run.mjs')}`;
// Nothing can start other programs, such as a C compiler, or threads there.
for (const tests of [
  ['-p', 'tinytrain-spec', '-p', 'tinytrain-kernels', '--tests'],
  ['-p', 'tinytrain-conformance', '--test', 'targets', '--test', 'header'],
]) {
  run('cargo', ['test', '--locked', '--target', TARGET, ...tests], {
    env: { ...env, CARGO_TARGET_WASM32_WASIP1_RUNNER: node },
  });
}

run('node', ['scripts/build.mjs', 'wasm', 'ts']);
const forced = { env: { ...env, NAPI_RS_FORCE_WASI: 'error' } };
run('node', ['dist/cli/main.cjs', 'doctor', '--self-test'], { ...forced, cwd: root });
run(
  'npx',
  ['--no-install', 'ava', 'dist-test/model/**/*.test.js', 'dist-test/folder.test.js', '--timeout=20m'],
  forced,
);
run('npx', ['--no-install', 'ava', 'dist-test/web/browser.test.js']);
