import { promises as fs } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Board } from '../emit/board.js';
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

/** Files of a board's folder that are its tables, which only a board of the user's brings along. */
const TABLES = /\.json$/;

/** The sources that firmware projects copy: application, protocol, boards (as `board/NAME/`), kernels. */
export async function deviceSources(root: string = packageRoot): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  try {
    for (const folder of ['app', 'calibrate', 'model', 'protocol']) {
      await read(join(root, 'device', folder), `${folder}/`, sources);
    }
    await read(join(root, 'device/boards'), 'board/', sources);
    await read(join(root, 'crates/kernels/c'), 'kernels/', sources);
  } catch (error) {
    throw fileError(error, root, 'the sources of the firmware cannot be read');
  }
  return new Map([...sources].filter(([path]) => !TABLES.test(path)));
}

/** The files of a board of the user's, tables included: a firmware folder holds all that it takes to plan for the board again. */
export async function boardSources({ name, folder }: Board): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  if (folder === undefined) return sources;
  try {
    await read(folder, `board/${name}/`, sources);
  } catch (error) {
    throw fileError(error, folder, 'the board cannot be read');
  }
  return new Map([...sources].filter(([path]) => /\.(c|h|toml|json)$/.test(path)));
}
