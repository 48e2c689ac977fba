// Runs a WebAssembly program of cargo's in Node, with the files of this machine: `CARGO_TARGET_WASM32_WASIP1_RUNNER`.
import { readFileSync } from 'node:fs';
import { argv, cwd, env, exit } from 'node:process';
import { WASI } from 'node:wasi';

const [, , program, ...args] = argv;
const wasi = new WASI({
  version: 'preview1',
  args: [program, ...args],
  env: { ...env, PWD: cwd() },
  preopens: { '/': '/' },
});
const { instance } = await WebAssembly.instantiate(readFileSync(program), wasi.getImportObject());
exit(wasi.start(instance));
