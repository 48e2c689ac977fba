import { randomBytes } from 'node:crypto';
import { constants, promises as fs } from 'node:fs';
import { dirname } from 'node:path';
import { fileError, reasonOf, systemCode } from './errors.js';

/** Creates a folder and its parents. Node's own recursive `mkdir` never returns if a parent cannot contain folders, as in `/proc`. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await fs.mkdir(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' && dirname(path) !== path) {
      await makeFolder(dirname(path));
      await fs.mkdir(path);
    } else if (code !== 'EEXIST' || !(await fs.stat(path)).isDirectory()) {
      throw error;
    }
  }
}

/** Throws if a folder could not be created or written to, without creating it. */
export async function checkWritable(path: string): Promise<void> {
  let folder = path;
  for (;;) {
    try {
      await fs.access(folder, constants.W_OK);
      if ((await fs.stat(folder)).isDirectory()) return;
      throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || dirname(folder) === folder)
        throw fileError(error, path, 'cannot be written');
      folder = dirname(folder);
    }
  }
}

/** The text of a file; undefined if the file does not exist. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await fs.readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
    throw fileError(error, path, 'cannot be read');
  }
}

/** Writes a file atomically: it exists completely or not at all, whenever the process may die. */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const unfinished = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    const file = await fs.open(unfinished, 'wx');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(unfinished, path);
  } catch (error) {
    await fs.rm(unfinished, { force: true }).catch(() => {});
    throw fileError(error, path, 'cannot be written');
  }
}

/**
 * The bytes of a file that may be anything. Throws an error whose message says why it cannot be read, without its name: it is no file, such as a pipe, or
 * has more than `most` bytes.
 */
export async function readWhole(path: string, most: number): Promise<Buffer> {
  try {
    const found = await fs.stat(path);
    if (found.isDirectory()) throw new Error('it is a folder');
    if (!found.isFile()) throw new Error('it is neither a file nor a folder');
    if (found.size > most) throw new Error(`its ${found.size} bytes are more than the ${most} that are read`);
    return await fs.readFile(path);
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error });
  }
}
