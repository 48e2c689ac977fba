import { promises as fs } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileError } from '../errors.js';

/** Options for the kernels: what measured best. */
export const kernelFlags = '-O2';

/** Where this package lies. */
const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

async function read(folder: string, prefix: string, into: Map<string, string>): Promise<void> {
  const names = (await fs.readdir(folder, { recursive: true })).sort();
  for (const name of names) {
    const path = join(folder, name);
    if (!(await fs.stat(path)).isFile()) continue;
    into.set(prefix + relative(folder, path).split(sep).join('/'), await fs.readFile(path, 'utf8'));
  }
}

/** The sources that firmware projects copy: application, protocol, boards, kernels. */
export async function deviceSources(root: string = packageRoot): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  try {
    await read(join(root, 'device'), '', sources);
    await read(join(root, 'crates/kernels/c'), 'kernels/', sources);
  } catch (error) {
    throw fileError(error, root, 'the sources of the firmware cannot be read');
  }
  return new Map([...sources].filter(([path]) => /\.(c|h|ld|mk|cmake|cfg)$/.test(path)));
}
