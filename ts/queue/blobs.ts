import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { DiskFile, remove, rename } from '../disk.js';
import { fileError, TinytrainError } from '../errors.js';
import { makeFolder, makeRoom, openToRead, removeLeft, unfinished } from '../files.js';
import { keys } from './keys.js';

/** Bytes of a piece: a blob is one hash in Redis with a field for each. */
const PIECE = 2 ** 22;
/** Seconds after its last use when Redis forgets a blob. */
const KEPT_SECONDS = 86_400;
/** The largest blob. */
const MOST_BYTES = 2 ** 33;
/** Most bytes of blobs that a worker keeps on disk; beyond it, those that were not used for longest are removed. */
const MOST_ON_DISK = 2 ** 33;

/** Bytes in order, a part at a time. */
export type Parts = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** SHA-256 of bytes, in hexadecimal. */
export async function hashOf(parts: Parts): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** Parts joined into pieces of equal length, but for the last one. */
async function* pieces(parts: Parts): AsyncGenerator<Buffer> {
  let open: Uint8Array[] = [];
  let bytes = 0;
  for await (let part of parts) {
    while (bytes + part.length >= PIECE) {
      yield Buffer.concat([...open, part.subarray(0, PIECE - bytes)]);
      part = part.subarray(PIECE - bytes);
      [open, bytes] = [[], 0];
    }
    if (part.length > 0) open.push(part);
    bytes += part.length;
  }
  if (bytes > 0) yield Buffer.concat(open);
}

/** Blobs in Redis, named by their SHA-256. */
export class Blobs {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Stores a blob unless it is there; either way it is kept for another day. The length is written last, and without it a blob does not count. */
  async put(name: string, parts: () => Parts): Promise<void> {
    const key = keys.blob(name);
    if ((await this.#redis.hexists(key, 'bytes')) === 0) {
      let [place, bytes] = [0, 0];
      for await (const piece of pieces(parts())) {
        await this.#redis.pipeline().hset(key, String(place), piece).expire(key, KEPT_SECONDS).exec();
        place++;
        bytes += piece.length;
      }
      await this.#redis.hset(key, 'bytes', bytes);
    }
    await this.#redis.expire(key, KEPT_SECONDS);
  }

  /** Stores bytes, and returns their name. */
  async putBytes(content: string | Uint8Array): Promise<string> {
    const bytes = Buffer.from(content);
    const name = await hashOf([bytes]);
    await this.put(name, () => [bytes]);
    return name;
  }

  /** Removes a blob: one that was found damaged, or is of no more use. */
  async drop(name: string): Promise<void> {
    await this.#redis.unlink(keys.blob(name));
  }

  /** A blob, piece by piece. Throws `BLOB_MISSING`. Whether it is the one that its name says is for the reader to check. */
  async *get(name: string): AsyncGenerator<Buffer> {
    const key = keys.blob(name);
    const missing = () => new TinytrainError('BLOB_MISSING', `blob ${name} is no longer in Redis`, { blob: name });
    const bytes = Number((await this.#redis.hget(key, 'bytes')) ?? Number.NaN);
    if (Number.isNaN(bytes)) throw missing();
    if (!(Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= MOST_BYTES)) throw damaged(name);
    for (let place = 0; place < Math.ceil(bytes / PIECE); place++) {
      const piece = await this.#redis.hgetBuffer(key, String(place));
      if (!piece) throw missing();
      yield piece;
    }
  }
}

function damaged(name: string): TinytrainError {
  return new TinytrainError('BLOB_BROKEN', `blob ${name} in Redis is damaged: its SHA-256 is another one`, {
    blob: name,
  });
}

/** The bytes of a small blob. Throws `BLOB_MISSING`, `BLOB_BROKEN`. */
export async function blobBytes(blobs: Blobs, name: string): Promise<Buffer> {
  const found: Buffer[] = [];
  for await (const piece of blobs.get(name)) found.push(piece);
  if ((await hashOf(found)) !== name) throw damaged(name);
  return Buffer.concat(found);
}

const BLOB = /^[0-9a-f]{64}\.blob$/;

/** Blobs that a worker has fetched, in a folder: each travels once to a machine. Every one is checked against its name when it is opened. */
export class BlobFiles {
  readonly #blobs: Blobs;
  readonly #folder: string;
  readonly #opening = new Map<string, Promise<string>>();

  constructor(blobs: Blobs, folder: string) {
    this.#blobs = blobs;
    this.#folder = folder;
  }

  /** The bytes of a small blob, which is not kept on disk. Throws `BLOB_MISSING`, `BLOB_BROKEN`. */
  bytes(name: string): Promise<Buffer> {
    return blobBytes(this.#blobs, name);
  }

  /** The path of a file with the bytes of a blob. Throws `BLOB_MISSING`, `BLOB_BROKEN`, `FILE_ERROR`. */
  path(name: string): Promise<string> {
    const open = this.#opening.get(name);
    if (open) return open;
    const opening = this.#path(name).finally(() => this.#opening.delete(name));
    this.#opening.set(name, opening);
    return opening;
  }

  async #path(name: string): Promise<string> {
    const path = join(this.#folder, `${name}.blob`);
    try {
      await makeFolder(this.#folder);
      await removeLeft(this.#folder);
      if (await isIntact(path, name)) {
        const now = new Date();
        await fs.utimes(path, now, now);
        return path;
      }
      await this.#fetch(name, path);
      await this.#makeRoom(path);
      return path;
    } catch (error) {
      throw error instanceof TinytrainError ? error : fileError(error, path, 'the samples cannot be kept');
    }
  }

  async #fetch(name: string, path: string): Promise<void> {
    const beside = unfinished(path);
    const file = await DiskFile.open(beside, 'wx');
    try {
      const hash = createHash('sha256');
      for await (const piece of this.#blobs.get(name)) {
        hash.update(piece);
        await file.write(piece);
      }
      if (hash.digest('hex') !== name) throw damaged(name);
      await rename(beside, path);
    } catch (error) {
      await remove(beside);
      throw error;
    } finally {
      await file.close();
    }
  }

  #makeRoom(kept: string): Promise<void> {
    return makeRoom(this.#folder, { files: BLOB, most: MOST_ON_DISK, kept, remove });
  }
}

/** Whether a file is there and holds the blob of this name; one that does not was damaged since, and is fetched again. */
async function isIntact(path: string, name: string): Promise<boolean> {
  const file = await openToRead(path).catch(() => undefined);
  if (!file) return false;
  try {
    return (await hashOf(file.createReadStream({ highWaterMark: PIECE, autoClose: false }))) === name;
  } finally {
    await file.close();
  }
}
