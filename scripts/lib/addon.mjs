// Builds the addon for a platform with napi-rs.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, read, run } from './shell.mjs';
import { thirdPartyFile, thirdPartyText } from './third-party.mjs';

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

/** The target of a build; that of this machine if none is asked for. A glibc behind it is none of its name. */
function targetOf(args) {
  const at = args.indexOf('--target');
  if (at >= 0) return args[at + 1].replace(/\.\d+\.\d+$/, '');
  return /^host: (.+)$/m.exec(read('rustc', ['-vV']))[1];
}

/**
 * Builds the addon into `folder`, with its loader `binding.cjs`, its types and the licences of what it contains of others; for this machine, or as the further
 * arguments of napi and cargo say.
 */
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
  writeFileSync(join(folder, thirdPartyFile), thirdPartyText(targetOf(napi)));
  const worker = join(folder, 'wasi-worker.mjs');
  if (existsSync(worker) && readFileSync(worker, 'utf8').includes('import { WASI }')) silence(worker);
}
