import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import * as v from 'valibot';
import { Dataset } from '../data/dataset.js';
import { TinytrainError } from '../errors.js';
import { count, parsed, sha256 } from '../json.js';
import { call, native, type SampleStore } from '../native.js';
import type { BlobFiles, Blobs } from './blobs.js';
import { Kept } from './kept.js';

/** Most bytes of a set's samples that a worker keeps in memory; those of a larger one are read from its file. */
const MEMORY_LIMIT = 2 ** 30;
/** Bytes between two pauses in which other tasks on this thread get their turn. */
const PAUSE_BYTES = 2 ** 21;

/** A set of samples as it travels: a blob with all samples one after the other, and which of them it has, with which labels. */
const schema = v.object({
  /** The blob with the samples. */
  samples: sha256,
  /** Bytes of a sample. */
  length: v.pipe(count, v.minValue(1)),
  /** Samples in the blob. */
  count: v.pipe(count, v.maxValue(2 ** 32 - 1)),
  places: v.array(count),
  labels: v.array(v.pipe(count, v.maxValue(2 ** 16 - 1))),
  /** The names of the samples, where something depends on them. */
  names: v.optional(v.array(v.string())),
});

async function* samplesOf(set: Dataset): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for (let i = 0; i < set.size; i++) {
    const sample = set.sample(i);
    yield new Uint8Array(sample.buffer, sample.byteOffset, sample.length);
    bytes += sample.length;
    if (bytes < PAUSE_BYTES) continue;
    bytes = 0;
    await setImmediate();
  }
}

/** Sends sets of samples; each travels once. */
export class SetSender {
  readonly #blobs: Blobs;
  readonly #hashes = new Map<Dataset, Promise<string>>();

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  #hash(all: Dataset): Promise<string> {
    const known = this.#hashes.get(all);
    if (known) return known;
    const hash = (async () => {
      const found = createHash('sha256');
      for await (const sample of samplesOf(all)) found.update(sample);
      return found.digest('hex');
    })();
    this.#hashes.set(all, hash);
    return hash;
  }

  /**
   * Puts a set in Redis, unless it is there: the samples at `places` of `all`, or all of them, with `names` if something depends on those. Returns the names of the
   * blobs: that of the set, and that of the samples.
   */
  async send(
    all: Dataset,
    {
      places = Array.from(all.labels.keys()),
      names,
    }: { places?: readonly number[] | undefined; names?: readonly string[] } = {},
  ): Promise<SentSet> {
    const samples = await this.#hash(all);
    const [first] = all.size > 0 ? [all.sample(0)] : [];
    const labels = places.map(place => all.labels[place] ?? 0);
    const set = { samples, length: first?.length ?? 1, count: all.size, places, labels, names };
    const bytes = Buffer.from(JSON.stringify(set));
    const name = createHash('sha256').update(bytes).digest('hex');
    await this.#blobs.put(samples, () => samplesOf(all));
    await this.#blobs.put(name, () => [bytes]);
    return { name, samples };
  }
}

/** The names of the blobs of a set that was sent. */
export interface SentSet {
  readonly name: string;
  readonly samples: string;
}

/** How many blobs of samples, and how many sets, a worker keeps open. */
const MOST_OPEN = 4;

/** Receives sets of samples; those that were used last are kept. */
export class SetReceiver {
  readonly #files: BlobFiles;
  readonly #stores = new Kept<SampleStore>();
  readonly #sets = new Kept<Dataset>();

  constructor(files: BlobFiles) {
    this.#files = files;
  }

  /** The set of this name, whose samples are kept on disk. Throws `BLOB_MISSING`, `BLOB_BROKEN`, `FILE_ERROR`, `MEMORY`. */
  set(name: string): Promise<Dataset> {
    return this.#sets.get(name, 1 / MOST_OPEN, () =>
      this.#receive(name, (samples, count, length) =>
        this.#stores.get(`${samples} ${count} ${length}`, 1 / MOST_OPEN, () => this.#fromFile(samples, count, length)),
      ),
    );
  }

  /** The set of this name, which is not needed again: of its samples nothing is kept unless they are many. Throws the same. */
  once(name: string): Promise<Dataset> {
    return this.#receive(name, async (samples, count, length) => {
      if (count * length > MEMORY_LIMIT) return this.#fromFile(samples, count, length);
      const bytes = await this.#files.bytes(samples);
      checkLength(samples, bytes.length, count * length);
      const store = call(() => native().SampleStore.inMemory(count, length));
      const all = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let i = 0; i < count; i++) store.put(i, all.subarray(i * length, (i + 1) * length));
      return store;
    });
  }

  async #receive(
    name: string,
    open: (samples: string, count: number, length: number) => Promise<SampleStore>,
  ): Promise<Dataset> {
    const bytes = await this.#files.bytes(name);
    const errorOf = (why: string) => broken(name, why);
    const { samples, length, count, places, labels, names = [] } = parsed(bytes.toString(), schema, errorOf);
    if (places.length !== labels.length) throw errorOf('it has not one label for each sample');
    if (places.some(place => place >= count)) throw errorOf('a sample is not among those of its blob');
    const store = await open(samples, count, length);
    return Dataset.of(store, Uint32Array.from(places), Uint16Array.from(labels), names);
  }

  /** The samples of a blob, in memory unless they are many. */
  async #fromFile(samples: string, count: number, length: number): Promise<SampleStore> {
    const path = await this.#files.path(samples);
    checkLength(samples, (await fs.stat(path)).size, count * length);
    if (count * length > MEMORY_LIMIT) return call(() => native().SampleStore.fromFile(path, count, length));
    const store = call(() => native().SampleStore.inMemory(count, length));
    const file = await fs.open(path, 'r');
    try {
      const sample = new Int8Array(length);
      for (let i = 0; i < count; i++) {
        const { bytesRead } = await file.read(sample, 0, length, i * length);
        checkLength(samples, bytesRead, length);
        store.put(i, sample);
      }
    } finally {
      await file.close();
    }
    return store;
  }
}

function broken(name: string, why: string): TinytrainError {
  return new TinytrainError('BLOB_BROKEN', `blob ${name} is no set of samples: ${why}`, { blob: name });
}

function checkLength(name: string, found: number, expected: number): void {
  if (found !== expected) throw broken(name, `it has ${found} bytes, and not ${expected}`);
}
