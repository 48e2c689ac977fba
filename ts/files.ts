import { createHash, randomBytes } from 'node:crypto';
import { constants, promises as fs } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DiskFile, makeFolderIn, remove, removeFolder, rename, syncFolder } from './disk.js';
import { fileError, reasonOf, systemCode, TinytrainError } from './errors.js';

/** Creates a folder and its parents. Node's own recursive `mkdir` never returns if a parent cannot contain folders, as in `/proc`. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeFolderIn(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' && dirname(path) !== path) {
      await makeFolder(dirname(path));
      await makeFolderIn(path);
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

/** The bytes of a file; undefined if it does not exist. Throws `FILE_ERROR` for anything else than a file, such as a pipe. */
export async function bytesIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readAny(path, 'cannot be read');
  } catch (error) {
    const why = error instanceof TinytrainError ? error.details['system'] : undefined;
    if (why === 'ENOENT' || why === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** The text of a file; undefined if it does not exist. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return (await bytesIfThere(path))?.toString('utf8');
}

/** This machine in the name of an unfinished file: a process number says nothing on another one that shares the folder. */
const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 6);

/** Unfinished files of other machines are left alone for this long. */
const FOREIGN_MS = 86_400_000;

const UNFINISHED = /^\.(.+)\.([0-9a-f]{6})-(\d+)-[0-9a-f]{12}\.unfinished$/;

/** A path beside `path` for what is being written and is to become it. The name says whose it is, so that what a killed process leaves can be removed. */
export function unfinished(path: string): string {
  const name = `.${basename(path)}.${host}-${process.pid}-${randomBytes(6).toString('hex')}.unfinished`;
  return join(dirname(path), name);
}

/** Whether a process of this machine lives. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

async function isLeft(path: string, machine: string | undefined, pid: number): Promise<boolean> {
  if (machine === host) return !isAlive(pid);
  return Date.now() - (await fs.stat(path)).mtimeMs > FOREIGN_MS;
}

/** Removes from a folder what killed processes left unfinished, files and folders: of `name`, or of all. Never fails: it tidies up. */
export async function removeLeft(folder: string, name?: string): Promise<void> {
  const names = await fs.readdir(folder).catch(() => []);
  for (const found of names) {
    const [, of, machine, pid] = UNFINISHED.exec(found) ?? [];
    if (of === undefined || (name !== undefined && of !== name)) continue;
    const path = join(folder, found);
    if (await isLeft(path, machine, Number(pid)).catch(() => false)) await removeFolder(path).catch(() => {});
  }
}

/** Does work that needs a folder for a while, among the temporary files of the system; those of processes that were killed go. */
export async function inTemporaryFolder<T>(name: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = unfinished(join(tmpdir(), `tinytrain-${name}`));
  await removeLeft(tmpdir(), `tinytrain-${name}`);
  try {
    await makeFolderIn(folder, 0o700);
  } catch (error) {
    throw fileError(error, folder, 'the folder cannot be created');
  }
  try {
    return await work(folder);
  } finally {
    await removeFolder(folder);
  }
}

/** Writes a file that does not exist yet, durably. */
export async function writeNew(path: string, content: string | Uint8Array): Promise<void> {
  const file = await DiskFile.open(path, 'wx');
  try {
    await file.write(typeof content === 'string' ? Buffer.from(content) : content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Writes a file atomically: it is the old one or the new one, complete, whenever the process may die or the disk be full. */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const beside = unfinished(path);
  await removeLeft(dirname(path), basename(path));
  try {
    await writeNew(beside, content);
    await rename(beside, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await remove(beside).catch(() => {});
    throw fileError(error, path, 'cannot be written');
  }
}

/** Most bytes of a file that is read as a whole: those of the largest models, and far more than any other file has. */
const MOST_BYTES = 2 ** 30;

/** The bytes of a file that the user names. Throws `FILE_ERROR` if it cannot be read, as a pipe cannot; `doing` is what fails then. */
export async function readAny(path: string, doing: string): Promise<Buffer> {
  try {
    return await readWhole(path, MOST_BYTES);
  } catch (error) {
    throw fileError(error instanceof Error ? error.cause : error, path, doing);
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

/** Opens a file that is read piece by piece; undefined for anything else: opening a pipe would wait for who writes into it. */
export async function openToRead(path: string): Promise<fs.FileHandle | undefined> {
  return (await fs.stat(path)).isFile() ? fs.open(path, 'r') : undefined;
}

/** What of a folder is removed to make room. */
export interface Room {
  /** The names that count. */
  readonly files: RegExp;
  /** Bytes that may stay. */
  readonly most: number;
  /** The path of a file that stays whatever its size. */
  readonly kept: string;
  /** Removes a file, and what belongs to it. */
  readonly remove: (path: string) => Promise<void>;
}

/** Removes the files that were not used for longest until the rest of a folder is small enough. */
export async function makeRoom(folder: string, { files: wanted, most, kept, remove: removeOne }: Room): Promise<void> {
  const names = (await fs.readdir(folder)).filter(name => wanted.test(name));
  const files = await Promise.all(
    names.map(async name => {
      const path = join(folder, name);
      const { size, mtimeMs } = await fs.stat(path);
      return { path, size, mtimeMs };
    }),
  );
  let bytes = files.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size } of files.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
    if (bytes <= most) return;
    if (path === kept) continue;
    await removeOne(path);
    bytes -= size;
  }
}
