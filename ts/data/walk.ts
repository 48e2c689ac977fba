import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { fileError, TinytrainError } from '../errors.js';
import type { SampleKind } from './kind.js';
import { entriesOf } from './layout.js';

/** Folders inside folders beyond which something is wrong, such as a link to a folder that contains it. */
const DEEPEST = 32;

async function under(folder: string, kind: SampleKind, depth: number): Promise<string[]> {
  if (depth > DEEPEST) {
    throw new TinytrainError('DATA_LAYOUT', `${folder}: more than ${DEEPEST} folders inside one another`, {
      path: folder,
    });
  }
  const { folders, files } = await entriesOf(folder, kind);
  const found = files.map(name => join(folder, name));
  for (const name of folders) found.push(...(await under(join(folder, name), kind, depth + 1)));
  return found;
}

/**
 * The samples that a path stands for: the file itself, or those of a folder and of all folders in it, sorted; what lies beside samples is passed over as it is
 * in training. Throws `DATA_LAYOUT` for a folder without any, `FILE_ERROR`.
 */
export async function samplesUnder(path: string, kind: SampleKind): Promise<string[]> {
  let isFolder: boolean;
  try {
    isFolder = (await fs.stat(path)).isDirectory();
  } catch (error) {
    throw fileError(error, path, 'cannot be read');
  }
  if (!isFolder) return [path];
  const found = await under(path, kind, 0);
  if (found.length > 0) return found;
  throw new TinytrainError('DATA_LAYOUT', `${path}: there are no ${kind.many} in this folder`, { path });
}
