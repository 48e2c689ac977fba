// Builds the addon for a platform with napi-rs.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, run } from './shell.mjs';

/** Node warns of its WASI in every thread of the WebAssembly build; ts/load.cts silences the first. */
function silence(worker) {
  const text = readFileSync(worker, 'utf8');
  const plain = "import { WASI } from 'node:wasi'\n";
  const require = 'const require = createRequire(import.meta.url)\n';
  if (!text.includes(plain) || !text.includes(require)) fail(`${worker}: not as it was when this script was written`);
  const quiet = [
    'const { emitWarning } = process',
    'process.emitWarning = () => {}',
    "const { WASI } = require('node:wasi')",
    'process.emitWarning = emitWarning',
    '',
  ].join('\n');
  const beside = `${worker}.new`;
  writeFileSync(beside, text.replace(plain, '').replace(require, require + quiet));
  renameSync(beside, worker);
}

/** Builds the addon into `folder`, with its loader `binding.cjs` and its types; for this machine, or as the further arguments of napi and cargo say. */
export function buildAddon(folder, napi = [], options = {}) {
  run(
    'npx',
    [
      ...[
        '--no-install',
        'napi',
        'build',
        '--release',
        '--strip',
        '--platform',
        '--js',
        'binding.cjs',
        '--dts',
        'addon.d.ts',
      ],
      ...['--manifest-path', 'crates/napi/Cargo.toml', '--output-dir', folder, ...napi, '--', '--locked'],
    ],
    options,
  );
  const worker = join(folder, 'wasi-worker.mjs');
  if (existsSync(worker) && readFileSync(worker, 'utf8').includes('import { WASI }')) silence(worker);
}
