// Tests the WebAssembly build under Node, with the native addon not even looked at: the golden networks, the pinned training run and the kernels, which compare
// checksums with those of the addon. Building it takes minutes, so that this belongs to a release and not to `npm test`.
import { env } from 'node:process';
import { root, run } from './lib/shell.mjs';

run('node', ['scripts/build.mjs', 'wasm', 'ts']);
const forced = { env: { ...env, NAPI_RS_FORCE_WASI: 'error' } };
run('node', ['dist/cli/main.cjs', 'doctor', '--self-test'], { ...forced, cwd: root });
run(
  'npx',
  ['--no-install', 'ava', 'dist-test/model/**/*.test.js', 'dist-test/folder.test.js', '--timeout=20m'],
  forced,
);
