/** The Python environments of the opponents. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../../dist/data/cache.js';

const PACKAGES = ['ai-edge-litert', 'onnxruntime', 'onnx', 'numpy', 'flatbuffers'];
const folder = join(cacheFolder(), 'bench-python');

const tail = ({ error, stderr, stdout }) =>
  error?.message ?? `${stderr ?? ''}${stdout ?? ''}`.trimEnd().split('\n').at(-1) ?? '';

/** An environment with LiteRT and ONNX Runtime, created by the first run: `{ python }`, or `{ missing }` with the reason. */
export function inferenceRuntimes(log) {
  const python = join(folder, 'bin', 'python');
  // Written after everything has been installed: an interrupted run leaves none.
  const done = join(folder, 'complete');
  if (existsSync(done)) return { python };
  log(`making a Python environment in ${folder}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  const made = spawnSync('python3', ['-m', 'venv', folder], { encoding: 'utf8' });
  if (made.status !== 0) return { missing: `python3 -m venv failed (Debian: apt install python3-venv): ${tail(made)}` };
  const installed = spawnSync(python, ['-m', 'pip', 'install', '--quiet', ...PACKAGES], { encoding: 'utf8' });
  if (installed.status !== 0) return { missing: `pip install ${PACKAGES.join(' ')} failed: ${tail(installed)}` };
  writeFileSync(done, `${PACKAGES.join('\n')}\n`);
  return { python };
}

/** A Python that has PyTorch. */
export function torch() {
  const candidates = [process.env.TINYTRAIN_BENCH_TORCH, '/usr/bin/python3', 'python3'].filter(Boolean);
  const python = candidates.find(
    candidate => spawnSync(candidate, ['-c', 'import numpy, PIL, torch'], { stdio: 'ignore' }).status === 0,
  );
  if (python !== undefined) return { python };
  const help =
    'Debian: apt install python3-torch python3-pil; or name a Python that has torch, numpy and Pillow in TINYTRAIN_BENCH_TORCH';
  return { missing: `no Python here has PyTorch (${help})` };
}
