import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { DiskFile, remove, rename, syncFolder } from '../disk.js';
import { fileError, systemCode, TinytrainError } from '../errors.js';
import { makeFolder, makeRoom, openToRead, removeLeft, unfinished } from '../files.js';
import { count, sha256 } from '../json.js';
import { call, native, type SampleStore } from '../native.js';
import { type RecordKind, readRecord, writeRecord } from '../records.js';
import type { BadSample, Repeated } from './dataset.js';
import { type DataOrigin, dataOrigin } from './origin.js';
import type { Listed, Parts } from './source.js';

/** Limit on the cached samples in bytes; beyond it, the least recently used ones are removed. */
const MOST_BYTES = 2 ** 33;
/** Bytes read at a time. */
const CHUNK = 2 ** 22;

/**
 * The folder of cached samples in the form that a model takes: `$TINYTRAIN_CACHE`, or `tinytrain` in the user's cache folder. Its content may be
 * deleted at any time.
 */
export function cacheFolder(): string {
  const { TINYTRAIN_CACHE, XDG_CACHE_HOME } = process.env;
  return TINYTRAIN_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'tinytrain');
}

/** The samples of a file in the cache, in order of the splits: train, validation, test. */
export interface CachedSamples {
  /** Changes whenever the samples change in any way. */
  readonly key: string;
  readonly name: string;
  readonly origin: DataOrigin;
  readonly classes: readonly string[];
  readonly parts: Parts<readonly Listed[]>;
  /** Bytes of a sample. */
  readonly length: number;
  readonly bad: readonly BadSample[];
  readonly repeated: Repeated;
  /** SHA-256 over all samples. */
  readonly content: string;
}

const listed = v.array(v.object({ name: v.string(), label: count }));

const indexKind: RecordKind<CachedSamples> = {
  name: 'index of cached samples',
  format: 2,
  code: 'CACHE_BROKEN',
  schema: v.object({
    key: sha256,
    name: v.string(),
    origin: dataOrigin,
    classes: v.array(v.string()),
    parts: v.object({ train: listed, validation: v.optional(listed), test: listed }),
    length: count,
    bad: v.array(v.object({ path: v.string(), message: v.string() })),
    repeated: v.object({ count, first: v.nullable(v.object({ train: v.string(), test: v.string() })) }),
    content: sha256,
  }),
};

/** Receives samples as they are decoded, by their place in the file. */
export interface Sink {
  put(index: number, sample: Int8Array): Promise<void>;
  /** Commits them; nothing may be added after that. */
  finish(facts: Omit<CachedSamples, 'content'>): Promise<void>;
  /** Discards everything. */
  discard(): Promise<void>;
}

/** Reads a file to its end, block by block. */
async function eachChunk(path: string, take: (bytes: Buffer, position: number) => void): Promise<number> {
  const file = await openToRead(path);
  if (!file) throw new TinytrainError('CACHE_BROKEN', `${path}: it is no file`, { path });
  try {
    const buffer = Buffer.alloc(CHUNK);
    let position = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK, position);
      if (bytesRead === 0) return position;
      take(buffer.subarray(0, bytesRead), position);
      position += bytesRead;
    }
  } finally {
    await file.close();
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await eachChunk(path, bytes => hash.update(bytes));
  return hash.digest('hex');
}

function damaged(error: unknown): boolean {
  return systemCode(error) === 'ENOENT' || (error instanceof TinytrainError && error.code === 'CACHE_BROKEN');
}

/** Names of the files that hold samples. */
const SAMPLES = /^[0-9a-f]{32}\.samples$/;

/** Samples in the form that models take, in files: decoding them again takes a hundred times as long as reading them. */
export class SampleCache {
  readonly #folder: string;

  constructor(folder: string = cacheFolder()) {
    this.#folder = folder;
  }

  #index(key: string): string {
    return join(this.#folder, `${key.slice(0, 32)}.json`);
  }

  #samples(key: string): string {
    return join(this.#folder, `${key.slice(0, 32)}.samples`);
  }

  /**
   * Creates a file for new samples. The index beside it is written last; without it the file does not count. Throws `CACHE_FAILED` if nothing can be written,
   * then and later.
   */
  async sink(key: string, samples: number, length: number): Promise<Sink> {
    const path = this.#samples(key);
    const beside = unfinished(path);
    const failed = (error: unknown) => {
      const { message, details } =
        error instanceof TinytrainError ? error : fileError(error, this.#folder, 'the samples cannot be cached');
      return new TinytrainError('CACHE_FAILED', message, details, error);
    };
    let file: DiskFile | undefined;
    const discard = async () => {
      await file?.close().catch(() => {});
      await remove(beside);
    };
    try {
      await makeFolder(this.#folder);
      await removeLeft(this.#folder);
      file = await DiskFile.open(beside, 'wx');
      await file.truncate(samples * length);
    } catch (error) {
      await discard().catch(() => {});
      throw failed(error);
    }
    const opened = file;
    return {
      put: (index, sample) =>
        opened.write(new Uint8Array(sample.buffer, sample.byteOffset, sample.length), index * length).catch(error => {
          throw failed(error);
        }),
      finish: async facts => {
        try {
          await opened.sync();
          await opened.close();
          const content = await hashOf(beside);
          await rename(beside, path);
          await syncFolder(this.#folder);
          await writeRecord(this.#index(key), indexKind, { ...facts, content });
          await this.#makeRoom(key);
        } catch (error) {
          throw failed(error);
        }
      },
      discard,
    };
  }

  /** The index of samples that an earlier run cached; undefined if there are none or the index is damaged. */
  async find(key: string): Promise<CachedSamples | undefined> {
    try {
      const found = await readRecord(this.#index(key), indexKind);
      return found?.content.key === key ? found.content : undefined;
    } catch (error) {
      if (damaged(error)) return undefined;
      throw error;
    }
  }

  /** The samples themselves, in memory if they take at most `memoryLimit` bytes; undefined if they are missing or damaged. */
  async open({ key, parts, length, content }: CachedSamples, memoryLimit: number): Promise<SampleStore | undefined> {
    const samples = parts.train.length + (parts.validation?.length ?? 0) + parts.test.length;
    const path = this.#samples(key);
    const bytes = samples * length;
    try {
      const inMemory = bytes <= memoryLimit ? new Int8Array(bytes) : undefined;
      const hash = createHash('sha256');
      const found = await eachChunk(path, (chunk, position) => {
        hash.update(chunk);
        if (position + chunk.length <= bytes) inMemory?.set(chunk, position);
      });
      if (found !== bytes || hash.digest('hex') !== content) return undefined;
      const now = new Date();
      await fs.utimes(this.#samples(key), now, now).catch(() => {});
      if (!inMemory) return call(() => native().SampleStore.fromFile(path, samples, length));
      const store = call(() => native().SampleStore.inMemory(samples, length));
      for (let i = 0; i < samples; i++) store.put(i, inMemory.subarray(i * length, (i + 1) * length));
      return store;
    } catch (error) {
      if (damaged(error)) return undefined;
      throw fileError(error, path, 'the samples cannot be read');
    }
  }

  /** Removes the least recently used samples until the rest is small enough. */
  #makeRoom(kept: string): Promise<void> {
    const removeSet = async (path: string) => {
      await remove(path.replace(/samples$/, 'json'));
      await remove(path);
    };
    const room = { files: SAMPLES, most: MOST_BYTES, kept: this.#samples(kept), remove: removeSet };
    return makeRoom(this.#folder, room);
  }
}
