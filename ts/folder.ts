import { createHash } from 'node:crypto';
import { promises as fs, type Stats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import * as v from 'valibot';
import { remove, removeFolder, removeIfEmpty, rename, syncFolder } from './disk.js';
import { fileError, systemCode, TinytrainError } from './errors.js';
import {
  bytesIfThere,
  isAlive,
  makeFolder,
  readIfThere,
  removeLeft,
  replaceFile,
  unfinished,
  writeNew,
} from './files.js';
import { count, sha256 } from './json.js';
import { commitFile, lockFile, newFolder, pendingFile } from './names.js';
import { call, isWasm, native } from './native.js';
import { type RecordKind, readRecord, sealed } from './records.js';

/** Whether a path names something inside the folder that it is relative to, whatever the folder contains but links. */
export function isInside(path: string): boolean {
  const parts = path.split('/');
  return parts.every(part => part !== '' && part !== '.' && part !== '..' && !/[\\\0:]/.test(part));
}

/** Schema of a path inside a folder. */
export const inside = v.pipe(v.string(), v.check(isInside));

/** Files by path inside their folder. */
export type Files = ReadonlyMap<string, string | Uint8Array>;

/** What remains to be done once all is written: parts to put in their places, files to remove. */
interface Commit {
  readonly files: Readonly<Record<string, { readonly part: number; readonly sha256: string }>>;
  readonly removed: readonly string[];
}

const commitKind: RecordKind<Commit> = {
  name: 'record of an unfinished change',
  format: 1,
  code: 'FOLDER_BROKEN',
  schema: v.object({ files: v.record(inside, v.object({ part: count, sha256 })), removed: v.array(inside) }),
};

/** SHA-256 of a file's content. */
export function hashOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

async function statsIfThere(path: string): Promise<Stats | undefined> {
  return fs.lstat(path).catch(error => {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
    throw fileError(error, path, 'cannot be read');
  });
}

/** The place of a file in a folder. Throws `FOLDER_LINK` where the way to it leads through a link, which may lead out of the folder. */
export async function placeIn(folder: string, path: string): Promise<string> {
  const parts = path.split('/');
  for (const i of parts.keys()) {
    const at = join(folder, ...parts.slice(0, i + 1));
    const found = await statsIfThere(at);
    if (!found) break;
    const isLast = i === parts.length - 1;
    if (isLast ? found.isFile() : found.isDirectory()) continue;
    const what = found.isSymbolicLink() ? 'a link' : isLast ? 'not a file' : 'not a folder';
    throw new TinytrainError('FOLDER_LINK', `${at}: ${what}, where tinytrain would write; nothing was written`, {
      path: at,
      help: ['remove it, or choose another folder'],
    });
  }
  return join(folder, path);
}

/** Puts one file of a commit in its place, unless it is already there. */
async function putInPlace(folder: string, path: string, { part, sha256 }: Commit['files'][string]): Promise<void> {
  const from = join(folder, newFolder, String(part));
  const to = await placeIn(folder, path);
  const waiting = await bytesIfThere(from);
  const found = waiting ?? (await bytesIfThere(to));
  if (!found || hashOf(found) !== sha256) {
    throw new TinytrainError('FOLDER_BROKEN', `${waiting ? from : to}: not what was to be written there`, {
      path: folder,
      help: ['write the folder again under another name'],
    });
  }
  if (!waiting) return;
  await makeFolder(dirname(to));
  await rename(from, to);
}

/** Ends what a commit has begun. May be interrupted and repeated at any point. */
async function finish(folder: string): Promise<void> {
  const commit = join(folder, newFolder, commitFile);
  const found = await readRecord(commit, commitKind);
  if (!found) return;
  const { files, removed } = found.content;
  for (const path of removed) await placeIn(folder, path);
  for (const [path, file] of Object.entries(files)) await putInPlace(folder, path, file);
  for (const path of removed) await remove(await placeIn(folder, path));
  const changed = [...Object.keys(files), ...removed].map(path => dirname(join(folder, path)));
  for (const each of new Set(changed)) await syncFolder(each);
  await remove(commit);
  await syncFolder(dirname(commit));
}

/**
 * A folder that this process alone may change, until it is closed. What is written to it is complete or not there at all, whenever the process may die: it is
 * written beside the content first, then committed by one rename, then put in place, by the next process if this one does not live to do it.
 */
export class OwnFolder {
  readonly path: string;
  readonly #made: boolean;
  readonly #release: () => void;

  private constructor(path: string, made: boolean, release: () => void) {
    this.path = path;
    this.#made = made;
    this.#release = release;
  }

  /**
   * Makes the folder if there is none, locks it, and ends or clears what a killed process has left in it. Throws `FOLDER_BUSY` if another process is at work in
   * it, `FOLDER_LINK`, `FOLDER_BROKEN`, `FILE_ERROR`.
   */
  static async open(folder: string): Promise<OwnFolder> {
    const path = resolve(folder);
    const made = (await statsIfThere(path)) === undefined;
    try {
      await makeFolder(path);
    } catch (error) {
      throw fileError(error, folder, 'the folder cannot be created');
    }
    const own = new OwnFolder(path, made, await lock(path, folder));
    try {
      await own.#tidy();
    } catch (error) {
      await own.close();
      throw error instanceof TinytrainError ? error : fileError(error, folder, 'cannot be written');
    }
    return own;
  }

  async #tidy(): Promise<void> {
    const beside = join(this.path, newFolder);
    const found = await statsIfThere(beside);
    if (found && !found.isDirectory()) await placeIn(this.path, pendingFile);
    if (found) {
      await finish(this.path);
      await removeFolder(beside);
    }
    await removeLeft(this.path);
  }

  /**
   * Writes files, and removes others; all of it or nothing. Paths are relative to the folder, and nothing is followed out of it. Throws `FOLDER_LINK`,
   * `FILE_ERROR`.
   */
  async write(files: Files, removed: readonly string[] = []): Promise<void> {
    const all = [...files];
    for (const path of [...files.keys(), ...removed]) {
      if (!isInside(path)) throw new TinytrainError('INTERNAL', `internal: ${path} is not a path inside a folder`);
      await placeIn(this.path, path);
    }
    // An earlier write may have failed after it was committed.
    if (await statsIfThere(join(this.path, pendingFile))) await this.#tidy();
    const [only] = all;
    // What is one file needs no commit.
    if (only && all.length === 1 && removed.length === 0 && !only[0].includes('/')) {
      return replaceFile(join(this.path, only[0]), only[1]);
    }
    const beside = join(this.path, newFolder);
    try {
      await makeFolder(beside);
      for (const [i, [, content]] of all.entries()) await writeNew(join(beside, String(i)), content);
      await syncFolder(beside);
      const parts = all.map(([path, content], part) => [path, { part, sha256: hashOf(content) }] as const);
      const commit = sealed(commitKind, { files: Object.fromEntries(parts), removed });
      await replaceFile(join(beside, commitFile), JSON.stringify(commit));
    } catch (error) {
      await removeFolder(beside).catch(() => {});
      throw error instanceof TinytrainError ? error : fileError(error, this.path, 'cannot be written');
    }
    try {
      await finish(this.path);
      await removeFolder(beside);
    } catch (error) {
      throw error instanceof TinytrainError ? error : fileError(error, this.path, 'not yet written to the end');
    }
  }

  /** Lets others in again. The folder goes if this process has made it and nothing was written. */
  async close(): Promise<void> {
    await remove(join(this.path, lockFile)).catch(() => {});
    this.#release();
    if (this.#made) await removeIfEmpty(this.path).catch(() => {});
  }
}

/** Times that a lock is tried again that was left by a process that is gone. */
const ATTEMPTS = 16;

/**
 * A lock without the system's, for the WebAssembly build: a file that is there as long as the process whose number it contains. It holds against others that
 * lock in this way, and, unlike the system's, only on one machine.
 */
export async function lockByNumber(file: string): Promise<(() => void) | undefined> {
  // With its content from the first moment on: a process may be killed at any.
  const own = unfinished(file);
  try {
    await fs.writeFile(own, String(process.pid));
    return (await linked(own, file)) ? () => {} : undefined;
  } catch (error) {
    throw fileError(error, file, 'cannot be locked');
  } finally {
    await remove(own).catch(() => {});
  }
}

/** Gives a file the name of a lock as well, unless a living process has it. */
async function linked(own: string, file: string): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      await fs.link(own, file);
      return true;
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
    const text = await readIfThere(file);
    if (text !== undefined && isAlive(Number(text))) return false;
    await remove(file).catch(() => {});
  }
  return false;
}

async function lockNatively(file: string): Promise<(() => void) | undefined> {
  const held = call(() => native().lockFile(file));
  return held ? () => held.release() : undefined;
}

async function lock(path: string, shown: string): Promise<() => void> {
  const file = await placeIn(path, lockFile);
  const release = await (isWasm() ? lockByNumber(file) : lockNatively(file));
  if (release) return release;
  const pid = Number((await readIfThere(file)) ?? '');
  const who = pid > 0 ? `process ${pid}` : 'another process';
  throw new TinytrainError('FOLDER_BUSY', `${shown}: ${who} of tinytrain is at work in this folder`, {
    path: shown,
    pid,
    help: ['wait until it has ended, or choose another folder'],
  });
}

/** Does something to a folder that nobody else may change meanwhile. Throws the errors of `OwnFolder.open`. */
export async function inOwnFolder<T>(folder: string, work: (own: OwnFolder) => Promise<T>): Promise<T> {
  const own = await OwnFolder.open(folder);
  try {
    return await work(own);
  } finally {
    await own.close();
  }
}

/** For those who read a folder: ends what a killed process has begun to change in it. Throws the errors of `OwnFolder.open`. */
export async function settle(folder: string): Promise<void> {
  if (await statsIfThere(join(folder, pendingFile))) await inOwnFolder(folder, async () => {});
}

/** Throws `FOLDER_BUSY` if another process is at work in a folder, before work is done for it in vain. */
export async function checkFree(folder: string): Promise<void> {
  if (await statsIfThere(join(folder, lockFile))) await inOwnFolder(folder, async () => {});
}

/** Throws `FOLDER_NOT_EMPTY` if a folder has files that are not ours under names that we would give. */
export async function checkNames(folder: string, names: readonly string[], what: string): Promise<void> {
  for (const name of names) {
    if (!(await statsIfThere(join(folder, name)))) continue;
    throw new TinytrainError('FOLDER_NOT_EMPTY', `${folder}: ${name} is there, and not part of ${what}`, {
      path: folder,
      help: ['choose another --out, or an empty folder'],
    });
  }
}
