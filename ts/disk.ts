import { promises as fs } from 'node:fs';
import { systemCode } from './errors.js';

/** A change of the file system. */
export type Change = 'folder' | 'create' | 'write' | 'truncate' | 'sync' | 'rename' | 'remove';

type Listener = (change: Change, path: string) => void;

let listener: Listener | undefined;

/**
 * Calls `next` before every change that the package makes on disk; what it throws becomes the failure of that change. For the crash tests, which let each
 * change fail in turn: a write is then two changes, so that it can also fail half-way.
 */
export function onChange(next: Listener | undefined): void {
  listener = next;
}

/** Makes a folder in one that exists; `mode` is who may enter it, otherwise as the system has it. */
export async function makeFolderIn(path: string, mode?: number): Promise<void> {
  listener?.('folder', path);
  await fs.mkdir(path, { mode });
}

/** Renames a file; an existing one with that name is replaced, atomically. */
export async function rename(from: string, to: string): Promise<void> {
  listener?.('rename', to);
  await fs.rename(from, to);
}

/** Removes a file, or a link and not what it points to; nothing happens if there is none. */
export async function remove(path: string): Promise<void> {
  listener?.('remove', path);
  await fs.rm(path, { force: true });
}

/** Removes a folder that the package made, with everything in it. */
export async function removeFolder(path: string): Promise<void> {
  listener?.('remove', path);
  await fs.rm(path, { recursive: true, force: true });
}

/** Removes a folder if it is empty. */
export async function removeIfEmpty(path: string): Promise<void> {
  listener?.('remove', path);
  await fs.rmdir(path).catch(error => {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(systemCode(error) ?? '')) throw error;
  });
}

/** Makes the names in a folder durable, where the system can. */
export async function syncFolder(path: string): Promise<void> {
  listener?.('sync', path);
  const folder = await fs.open(path, 'r').catch(() => undefined);
  try {
    await folder?.sync();
  } catch (error) {
    // Some file systems cannot sync a folder; a full disk or a failing one says so.
    if (['EIO', 'ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '')) throw error;
  } finally {
    await folder?.close();
  }
}

/** A file that is being written. */
export class DiskFile {
  readonly #path: string;
  readonly #file: fs.FileHandle;

  private constructor(path: string, file: fs.FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** Opens a file: `wx` creates one that must not exist, `a` appends. */
  static async open(path: string, flags: 'wx' | 'a'): Promise<DiskFile> {
    listener?.('create', path);
    return new DiskFile(path, await fs.open(path, flags));
  }

  /** Writes all bytes at a position, or at the end of a file opened with `a`. */
  async write(bytes: Uint8Array, position: number | null = null): Promise<void> {
    const most = listener ? Math.ceil(bytes.length / 2) : bytes.length;
    for (let at = 0; at < bytes.length; ) {
      listener?.('write', this.#path);
      const place = position === null ? null : position + at;
      const { bytesWritten } = await this.#file.write(bytes, at, Math.min(most, bytes.length - at), place);
      at += bytesWritten;
    }
  }

  /** Cuts or extends the file. */
  async truncate(length: number): Promise<void> {
    listener?.('truncate', this.#path);
    await this.#file.truncate(length);
  }

  /** Makes what was written durable. */
  async sync(): Promise<void> {
    listener?.('sync', this.#path);
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
