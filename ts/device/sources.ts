import { promises as fs } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Board, sourcesOf } from '../emit/board.js';
import { fileError, TinytrainError } from '../errors.js';

/** Compiler options for the kernels: the fastest in our measurements. */
export const kernelFlags = '-O2';

/** The folder of this package. */
const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

async function read(folder: string, prefix: string, into: Map<string, string>): Promise<void> {
  const names = (await fs.readdir(folder, { recursive: true })).sort();
  for (const name of names) {
    const path = join(folder, name);
    if (!(await fs.stat(path)).isFile()) continue;
    into.set(prefix + relative(folder, path).split(sep).join('/'), await fs.readFile(path, 'utf8'));
  }
}

/** Files of a board's folder that contain its tables, which are copied only for a user's board. */
const TABLES = /\.json$/;

/** The sources that are copied into firmware projects: application, protocol, boards (as `board/NAME/`), kernels. */
export async function deviceSources(root: string = packageRoot): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  try {
    for (const folder of ['app', 'calibrate', 'camera', 'model', 'protocol', 'series', 'store']) {
      await read(join(root, 'device', folder), `${folder}/`, sources);
    }
    await read(join(root, 'device/boards'), 'board/', sources);
    await read(join(root, 'crates/kernels/c'), 'kernels/', sources);
  } catch (error) {
    throw fileError(error, root, 'the sources of the firmware cannot be read');
  }
  return new Map([...sources].filter(([path]) => !TABLES.test(path)));
}

/** The files of a user's board, including its tables: a firmware folder contains everything needed to plan for the board again. Throws `BOARD_INVALID` if a source is not there. */
export async function boardSources(board: Board, store: boolean): Promise<Map<string, string>> {
  const { name, folder } = board;
  const own = `board/${name}/`;
  const sources = new Map<string, string>();
  if (folder === undefined) return sources;
  try {
    await read(folder, own, sources);
  } catch (error) {
    throw fileError(error, folder, 'the board cannot be read');
  }
  const missing = sourcesOf(board, store).find(path => path.startsWith(own) && !sources.has(path));
  if (missing !== undefined) {
    const file = missing.slice(own.length);
    throw new TinytrainError('BOARD_INVALID', `${folder}: board.toml names ${file}, which is not there`, {
      path: join(folder, file),
      help: ['write it, or take its name out of board.toml'],
    });
  }
  return new Map([...sources].filter(([path]) => /\.(c|h|toml|json)$/.test(path)));
}
