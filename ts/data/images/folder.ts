import { availableParallelism } from 'node:os';
import { relative, resolve } from 'node:path';
import { aborted, TinytrainError } from '../../errors.js';
import type { SampleStore } from '../../native.js';
import { cacheFolder, fileSink, imageKey, memorySink, openCached, type Sink } from '../cache.js';
import { type BadSample, Dataset, type SampleSet } from '../dataset.js';
import { checkImageInput, type InputFormat, inputLength, type ResizePolicy } from '../input.js';
import { eachParallel, type WorkOptions } from '../pool.js';
import { defaultShares, type Split, type SplitShares, splits, stratify } from '../split.js';
import { decodeImage } from './decode.js';
import { type LabelledFile, type Layout, readLayout } from './layout.js';

/** How a folder of images is read. */
export interface ImageOptions extends WorkOptions {
  /** What happens to images of another size; `stretch` by default, bilinear with antialiasing. */
  readonly resize?: ResizePolicy | undefined;
  /** Goes on without images that cannot be decoded, and lists them; otherwise the first one is an error. */
  readonly skipBad?: boolean | undefined;
  /** Seed of the split, where the folder has no train/ and test/; 0 by default. */
  readonly seed?: number | undefined;
  /** Shares of that split; a fifth for the test by default. */
  readonly shares?: SplitShares | undefined;
  /** Images decoded at a time; as many as there are cores by default. */
  readonly threads?: number | undefined;
  /** Bytes of decoded images that are kept in memory; a larger set goes into a file. 1 GiB by default. */
  readonly memoryLimit?: number | undefined;
  /** Where that file goes; see `cacheFolder`. */
  readonly cacheFolder?: string | undefined;
}

const MEMORY_LIMIT = 2 ** 30;

interface Decoded {
  readonly store: SampleStore;
  readonly bad: readonly BadSample[];
}

async function decodeInto(
  sink: Sink,
  files: readonly LabelledFile[],
  input: InputFormat,
  options: ImageOptions,
): Promise<Decoded> {
  const bad: BadSample[] = [];
  const decode = async (index: number): Promise<void> => {
    const path = files[index]?.path ?? '';
    try {
      await sink.put(index, await decodeImage(path, input, options.resize));
    } catch (error) {
      if (!options.skipBad || !(error instanceof TinytrainError) || error.code !== 'IMAGE_CORRUPT') throw error;
      bad.push({ path, message: error.message });
    }
  };
  try {
    await eachParallel(files.length, options.threads ?? availableParallelism(), decode, options);
    bad.sort((a, b) => (a.path < b.path ? -1 : 1));
    return { store: await sink.finish(bad), bad };
  } catch (error) {
    await sink.discard();
    throw error;
  }
}

/** Decodes all files: into memory, or, where they are too many for that, into a file that the next run finds again. */
async function decodeAll(
  key: string,
  files: readonly LabelledFile[],
  input: InputFormat,
  options: ImageOptions,
): Promise<Decoded> {
  if (files.length * inputLength(input) <= (options.memoryLimit ?? MEMORY_LIMIT)) {
    return decodeInto(memorySink(files.length, input), files, input, options);
  }
  const folder = options.cacheFolder ?? cacheFolder();
  const cached = await openCached(folder, key, files.length, input);
  if (!cached) return decodeInto(await fileSink(folder, key, files.length, input), files, input, options);
  const first = cached.bad[0];
  if (first && !options.skipBad) throw new TinytrainError('IMAGE_CORRUPT', first.message, { path: first.path });
  return cached;
}

function splitFiles(
  folder: string,
  layout: Layout,
  options: ImageOptions,
): Partial<Record<Split, readonly LabelledFile[]>> {
  const { all, ...files } = layout.files;
  if (!all) return files;
  const nameOf = (file: LabelledFile) => relative(folder, file.path).replaceAll('\\', '/');
  return stratify(all, layout.classes, options.seed ?? 0, nameOf, options.shares ?? defaultShares);
}

function checkLeft(folder: string, classes: readonly string[], train: Dataset, measured: Dataset): void {
  const seen = new Set(train.labels);
  const empty = classes.find((_, label) => !seen.has(label));
  if (empty !== undefined || measured.size === 0) {
    const what =
      empty === undefined
        ? 'no image is left to measure the accuracy on'
        : `no image of class ${empty} is left to train on`;
    throw new TinytrainError('CLASS_EMPTY', `${folder}: ${what}`, { path: folder, class: empty });
  }
}

/** Reads a folder of class folders, with or without train/, validation/ and test/, into a model's input. */
export async function loadImages(folder: string, input: InputFormat, options: ImageOptions = {}): Promise<SampleSet> {
  checkImageInput(input);
  const layout = await readLayout(folder);
  const parts = splitFiles(folder, layout, options);
  const files = splits.flatMap(split => parts[split] ?? []);
  const policy = options.resize ?? 'stretch';
  const hash = await imageKey(folder, files, input, policy, options);
  const { store, bad } = await decodeAll(hash, files, input, options);
  if (options.signal?.aborted) throw aborted('reading images');
  const left = new Set(bad.map(image => image.path));
  let place = 0;
  const sets: Partial<Record<Split, Dataset>> = {};
  for (const split of splits) {
    const part = (parts[split] ?? []).map(file => ({ ...file, place: place++ })).filter(file => !left.has(file.path));
    if (part.length === 0) continue;
    const [slots, labels] = [part.map(file => file.place), part.map(file => file.label)];
    sets[split] = Dataset.of(
      store,
      Uint32Array.from(slots),
      Uint16Array.from(labels),
      part.map(file => file.path),
    );
  }
  const none = () => Dataset.from(new Int8Array(0), [], input);
  const train = sets.train ?? none();
  // Where there is no test split, the validation split is the one that training never sees.
  const test = sets.test ?? sets.validation ?? none();
  checkLeft(folder, layout.classes, train, test);
  return {
    classes: layout.classes,
    train,
    ...(sets.test && sets.validation ? { validation: sets.validation } : {}),
    test,
    skipped: bad,
    source: layout.files.all ? `${folder}, split by seed ${options.seed ?? 0}` : folder,
    origin: {
      folder: resolve(folder),
      resize: policy,
      skipBad: options.skipBad ?? false,
      seed: options.seed ?? 0,
      shares: options.shares ?? defaultShares,
    },
    hash,
  };
}
