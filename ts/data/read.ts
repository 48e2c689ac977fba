import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { aborted, TinytrainError } from '../errors.js';
import { call, native, type SampleStore } from '../native.js';
import { checkOptions, object, optionTable, progress, options as rows } from '../options.js';
import { type CachedSamples, SampleCache, type Sink } from './cache.js';
import { type BadSample, Dataset, type Repeated, type SampleSet } from './dataset.js';
import { type InputFormat, inputLength } from './input.js';
import { eachParallel } from './pool.js';
import type { Listed, Parts, ReadOptions, SampleSource } from './source.js';
import { type Split, splits } from './split.js';

const MEMORY_LIMIT = 2 ** 30;

const { threads, memoryLimit, cacheFolder, signal } = rows;
const only = object<NonNullable<ReadOptions['only']>>('the places that are read', 'an object of lists', value =>
  Object.values(value).every(places => places === undefined || Array.isArray(places)),
);
/** The options of reading samples. */
export const readOptions = optionTable<ReadOptions>({
  threads,
  memoryLimit,
  cacheFolder,
  only,
  signal,
  onProgress: progress(),
});

/** Throws `OPTION_INVALID` for an option of reading that is none. */
export function checkReading(options: ReadOptions): void {
  checkOptions(readOptions, options);
}

/** How the samples of a source are created for one input. */
export interface Making {
  readonly source: Pick<SampleSource, 'name' | 'origin' | 'classes' | 'parts'>;
  /** SHA-256 over everything on which the samples depend. */
  readonly key: string;
  /** Whether to skip samples that cannot be created. */
  readonly skipBad: boolean;
  /** Creates one sample. */
  readonly make: (split: Split, place: number) => Promise<Int8Array>;
  /** Whether an error of `make` concerns only this sample. */
  readonly isBad: (error: unknown) => error is TinytrainError;
}

/** One sample to be read. */
interface Wanted extends Listed {
  readonly split: Split;
  /** Its place in the split, and in the file that holds all splits. */
  readonly place: number;
  readonly slot: number;
}

/** Samples in a store, by slot; the `bad` ones are missing. */
interface Made {
  readonly store: SampleStore;
  readonly slotOf: (sample: Wanted) => number;
  readonly bad: readonly BadSample[];
  readonly repeated: Repeated;
}

function allOf(parts: Parts<readonly Listed[]>): Wanted[] {
  let slot = 0;
  return splits.flatMap(split =>
    (parts[split] ?? []).map((sample, place) => ({ ...sample, split, place, slot: slot++ })),
  );
}

function wantedOf(all: readonly Wanted[], only: ReadOptions['only']): readonly Wanted[] {
  if (!only) return all;
  return splits.flatMap(split => {
    const own = all.filter(sample => sample.split === split);
    return (only[split] ?? []).flatMap(place => own[place] ?? []);
  });
}

/** The test samples that are among the training samples too, by their hashes. */
function repeatedOf(samples: readonly Wanted[], hashes: ReadonlyMap<Wanted, string>): Repeated {
  const trained = new Map<string, string>();
  for (const sample of samples) {
    const hash = hashes.get(sample);
    if (sample.split === 'train' && hash !== undefined && !trained.has(hash)) trained.set(hash, sample.name);
  }
  const pairs = samples.flatMap(sample => {
    const train = sample.split === 'test' ? trained.get(hashes.get(sample) ?? '') : undefined;
    return train === undefined ? [] : [{ train, test: sample.name }];
  });
  return { count: pairs.length, first: pairs[0] ?? null };
}

/** The error of one sample where others could have been read without it. */
function withSkipping(error: TinytrainError): TinytrainError {
  const { help = [], ...details } = error.details;
  const all = [...help, 'or pass --skip-bad to skip such samples, and list them'];
  return new TinytrainError(error.code, error.message, { ...details, help: all }, error);
}

async function makeAll(
  samples: readonly Wanted[],
  { make, isBad, skipBad }: Making,
  put: (index: number, sample: Int8Array) => Promise<void>,
  options: ReadOptions,
): Promise<Pick<Made, 'bad' | 'repeated'>> {
  const bad: BadSample[] = [];
  const hashes = new Map<Wanted, string>();
  const one = async (index: number): Promise<void> => {
    const sample = samples[index];
    if (!sample) return;
    try {
      const made = await make(sample.split, sample.place);
      hashes.set(sample, createHash('sha1').update(made).digest('base64'));
      await put(index, made);
    } catch (error) {
      if (!isBad(error)) throw error;
      if (!skipBad) throw withSkipping(error);
      bad.push({ path: sample.name, message: error.message });
    }
  };
  await eachParallel(samples.length, options.threads ?? availableParallelism(), one, options);
  return { bad: bad.sort((a, b) => (a.path < b.path ? -1 : 1)), repeated: repeatedOf(samples, hashes) };
}

/** Creates some of the samples, or all of them if nothing can be written, in memory only. */
async function makeInMemory(
  wanted: readonly Wanted[],
  length: number,
  making: Making,
  options: ReadOptions,
): Promise<Made> {
  const store = call(() => native().SampleStore.inMemory(wanted.length, length));
  const found = await makeAll(wanted, making, async (index, sample) => store.put(index, sample), options);
  const slots = new Map(wanted.map((sample, index) => [sample, index]));
  return { store, ...found, slotOf: sample => slots.get(sample) ?? 0 };
}

async function makeInto(sink: Sink, all: readonly Wanted[], length: number, making: Making, options: ReadOptions) {
  const { source, key } = making;
  const { name, origin, classes, parts } = source;
  try {
    const found = await makeAll(all, making, (index, sample) => sink.put(index, sample), options);
    if (options.signal?.aborted) throw aborted('reading samples', options.signal);
    const plain = (part: readonly Listed[]) => part.map(({ name, label }) => ({ name, label }));
    const validation = parts.validation && { validation: plain(parts.validation) };
    await sink.finish({
      ...{ key, name, origin, classes, length, ...found },
      parts: { train: plain(parts.train), ...validation, test: plain(parts.test) },
    });
  } catch (error) {
    await sink.discard().catch(() => {});
    throw error;
  }
}

async function opened(cache: SampleCache, found: CachedSamples | undefined, length: number, options: ReadOptions) {
  if (found?.length !== length) return undefined;
  const store = await cache.open(found, options.memoryLimit ?? MEMORY_LIMIT);
  return store && { store, bad: found.bad, repeated: found.repeated, slotOf: ({ slot }: Wanted) => slot };
}

async function made(making: Making, all: readonly Wanted[], length: number, options: ReadOptions): Promise<Made> {
  const cache = new SampleCache(options.cacheFolder);
  const { key, skipBad, source } = making;
  const corrupt = source.origin.kind === 'series' ? 'RECORDING_CORRUPT' : 'IMAGE_CORRUPT';
  const cached = await opened(cache, await cache.find(key), length, options);
  if (cached) {
    const [first] = cached.bad;
    if (first && !skipBad) throw new TinytrainError(corrupt, first.message, { path: first.path });
    return cached;
  }
  if (options.only) return makeInMemory(wantedOf(all, options.only), length, making, options);
  try {
    await makeInto(await cache.sink(key, all.length, length), all, length, making, options);
  } catch (error) {
    // Where nothing can be written, samples that fit are made in memory.
    const isCache = error instanceof TinytrainError && error.code === 'CACHE_FAILED';
    if (!isCache || all.length * length > (options.memoryLimit ?? MEMORY_LIMIT)) throw error;
    return makeInMemory(all, length, making, options);
  }
  const kept = await opened(cache, await cache.find(key), length, options);
  if (kept) return kept;
  throw new TinytrainError('FILE_ERROR', `${making.source.name}: the samples were lost while they were written`);
}

function checkLeft(source: string, classes: readonly string[], train: Dataset, measured: Dataset): void {
  const seen = new Set(train.labels);
  const empty = classes.find((_, label) => !seen.has(label));
  if (empty !== undefined || measured.size === 0) {
    const what =
      empty === undefined
        ? 'no sample is left for measuring the accuracy'
        : `no sample of class ${empty} is left for training`;
    throw new TinytrainError('CLASS_EMPTY', `${source}: ${what}`, { path: source, class: empty });
  }
}

/**
 * Reads the samples of a source: from the cache, or created now and cached. Throws the errors of `make` (unless bad samples are skipped), `CLASS_EMPTY` if
 * nothing is left of a class, `ABORTED`, and `FILE_ERROR`.
 */
export async function readSamples(making: Making, input: InputFormat, options: ReadOptions = {}): Promise<SampleSet> {
  const { source, key } = making;
  const { name, origin, classes, parts } = source;
  const length = inputLength(input);
  const all = allOf(parts);
  const { store, slotOf, bad, repeated } = await made(making, all, length, options);
  if (options.signal?.aborted) throw aborted('reading samples', options.signal);
  const left = new Set(bad.map(({ path }) => path));
  const chosen = wantedOf(all, options.only).filter(sample => !left.has(sample.name));
  const part = (split: Split): Dataset => {
    const own = chosen.filter(sample => sample.split === split);
    return Dataset.of(
      store,
      Uint32Array.from(own, slotOf),
      Uint16Array.from(own, ({ label }) => label),
      own.map(({ name }) => name),
    );
  };
  const [train, test] = [part('train'), part('test')];
  if (!options.only) checkLeft(name, classes, train, test);
  const validation = parts.validation && { validation: part('validation') };
  const set = { classes, train, ...validation, test, skipped: bad, source: name, origin, hash: key };
  return options.only ? set : { ...set, repeated };
}

/** The samples that an earlier run cached under a key, without their source; undefined if they are gone. */
export async function cachedSource(key: string, folder?: string): Promise<SampleSource | undefined> {
  const found = await new SampleCache(folder).find(key);
  if (!found) return undefined;
  const gone = new TinytrainError('FILE_ERROR', `${found.name}: the samples are gone, and no longer in the cache`);
  const never = async (): Promise<Int8Array> => {
    throw gone;
  };
  const isBad = (_: unknown): _ is TinytrainError => false;
  const making: Making = { source: found, key, skipBad: true, make: never, isBad };
  return {
    ...{ name: found.name, origin: found.origin, classes: found.classes, parts: found.parts },
    async read(input, options = {}) {
      checkReading(options);
      return readSamples(making, input, { ...options, cacheFolder: options.cacheFolder ?? folder });
    },
  };
}
