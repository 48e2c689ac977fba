import { createHash, randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { homedir } from 'node:os';
import { join, relative } from 'node:path';
import sharp from 'sharp';
import { fileError, systemCode } from '../errors.js';
import { makeFolder, replaceFile } from '../files.js';
import { call, native, type SampleStore } from '../native.js';
import type { BadSample } from './dataset.js';
import type { LabelledFile } from './images/layout.js';
import { type InputFormat, inputLength, type ResizePolicy } from './input.js';
import { eachParallel, type WorkOptions } from './pool.js';

/** Counted up when decoding changes, so that no older cache is taken for a newer one. */
const DECODER = 1;

/** Where decoded sets are kept: `$TINYTRAIN_CACHE`, or `tinytrain` in the user's cache folder. Its content may be deleted at any time. */
export function cacheFolder(): string {
  const { TINYTRAIN_CACHE, XDG_CACHE_HOME } = process.env;
  return TINYTRAIN_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'tinytrain');
}

/** A hash over everything that decoded images hang on: names, sizes and times of the files, the input, the policy, the decoder. */
export async function imageKey(
  folder: string,
  files: readonly LabelledFile[],
  input: InputFormat,
  policy: ResizePolicy,
  options: WorkOptions = {},
): Promise<string> {
  const facts: string[] = new Array(files.length);
  await eachParallel(
    files.length,
    16,
    async i => {
      const path = files[i]?.path ?? '';
      try {
        const { size, mtimeMs } = await fs.stat(path);
        facts[i] = `${relative(folder, path)}\0${size}\0${mtimeMs}`;
      } catch (error) {
        throw fileError(error, path, 'cannot be read');
      }
    },
    { signal: options.signal },
  );
  const hash = createHash('sha256');
  hash.update(JSON.stringify([DECODER, sharp.versions.vips, input.height, input.width, input.channels, policy]));
  for (const table of input.tables) hash.update(table);
  hash.update(facts.join('\n'));
  return hash.digest('hex');
}

/** Where decoded images go, by their place in the list of files. */
export interface Sink {
  put(index: number, image: Int8Array): Promise<void>;
  /** The images, to be read; nothing may be put any more. */
  finish(bad: readonly BadSample[]): Promise<SampleStore>;
  /** Throws everything away. */
  discard(): Promise<void>;
}

/** Keeps the images in memory, once. */
export function memorySink(count: number, input: InputFormat): Sink {
  const store = native().SampleStore.inMemory(count, inputLength(input));
  return {
    put: async (index, image) => store.put(index, image),
    finish: async () => store,
    discard: async () => {},
  };
}

interface CachePaths {
  readonly images: string;
  readonly record: string;
}

function pathsOf(folder: string, key: string): CachePaths {
  const base = join(folder, key.slice(0, 32));
  return { images: `${base}.images`, record: `${base}.json` };
}

/** Keeps the images in a file, one after the other. The record beside it is written last: without it the file does not count. */
export async function fileSink(folder: string, key: string, count: number, input: InputFormat): Promise<Sink> {
  const { images, record } = pathsOf(folder, key);
  const length = inputLength(input);
  const unfinished = `${images}.${randomBytes(6).toString('hex')}`;
  let file: fs.FileHandle;
  try {
    await makeFolder(folder);
    file = await fs.open(unfinished, 'wx');
    await file.truncate(count * length);
  } catch (error) {
    throw fileError(error, unfinished, 'the decoded images cannot be kept');
  }
  return {
    async put(index, image) {
      try {
        await file.write(image, 0, length, index * length);
      } catch (error) {
        throw fileError(error, unfinished, 'the decoded images cannot be kept');
      }
    },
    async finish(bad) {
      await file.sync();
      await file.close();
      await fs.rename(unfinished, images);
      await replaceFile(record, JSON.stringify({ key, count, bad }));
      return call(() => native().SampleStore.fromFile(images, count, length));
    },
    async discard() {
      await file.close();
      await fs.rm(unfinished, { force: true });
    },
  };
}

/** What an earlier run decoded, if it is there and whole. */
export async function openCached(
  folder: string,
  key: string,
  count: number,
  input: InputFormat,
): Promise<{ store: SampleStore; bad: readonly BadSample[] } | undefined> {
  const { images, record } = pathsOf(folder, key);
  try {
    const found = JSON.parse(await fs.readFile(record, 'utf8')) as { key: string; count: number; bad: BadSample[] };
    const { size } = await fs.stat(images);
    if (found.key !== key || found.count !== count || size !== count * inputLength(input)) return undefined;
    return { store: call(() => native().SampleStore.fromFile(images, count, inputLength(input))), bad: found.bad };
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw fileError(error, images, 'the decoded images cannot be read');
  }
}
