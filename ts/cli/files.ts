import { promises as fs } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileError } from '../errors.js';
import { checkWritable, makeFolder, replaceFile } from '../files.js';

/** Throws `FILE_ERROR` if a file that the user names could not be written, before any work is done for it. */
export async function checkTarget(path: string): Promise<void> {
  await checkWritable(dirname(resolve(path)));
  const found = await fs.stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw fileError(Object.assign(new Error(), { code: 'EISDIR' }), path, 'cannot be written');
}

/** Writes a file that the user names, and the folders that it lies in. */
export async function writeText(path: string, text: string): Promise<void> {
  await makeFolder(dirname(resolve(path)));
  await replaceFile(path, text);
}
