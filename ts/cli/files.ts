import { promises as fs, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileError, systemCode, TinytrainError } from '../errors.js';
import { checkWritable, makeFolder, replaceFile } from '../files.js';

/** What lies at a path; a link is itself, and not what it points to. */
async function found(path: string): Promise<Stats | undefined> {
  return fs.lstat(path).catch(error => {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
    throw fileError(error, path, 'cannot be written');
  });
}

/**
 * Throws if a file that the user names cannot be written, before any work is done for it: `FILE_EXISTS` if there is one already, unless it may be replaced;
 * `FILE_ERROR` where its folder cannot be written, or where something else than a file lies, which is never replaced.
 */
export async function checkTarget(path: string, overwrite: boolean): Promise<void> {
  const there = await found(path);
  if (there && !there.isFile()) {
    const what = there.isDirectory() ? 'a folder' : there.isSymbolicLink() ? 'a link' : 'no ordinary file';
    throw new TinytrainError('FILE_ERROR', `${path}: cannot be written: it is ${what}`, { path });
  }
  if (there && !overwrite) {
    throw new TinytrainError('FILE_EXISTS', `${path}: it is there already, and would be overwritten`, {
      path,
      help: ['give another name, or --overwrite to replace it'],
    });
  }
  await checkWritable(dirname(resolve(path)));
}

/** Writes a file that the user names, and the folders that it lies in. Throws the errors of `checkTarget`: the file may have come in the meantime. */
export async function writeTarget(path: string, content: string | Uint8Array, overwrite: boolean): Promise<void> {
  await checkTarget(path, overwrite);
  await makeFolder(dirname(resolve(path)));
  await replaceFile(path, content);
}
