import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { relative, resolve } from 'node:path';
import sharp from 'sharp';
import { fileError, TinytrainError } from '../../errors.js';
import type { SampleSet } from '../dataset.js';
import type { InputFormat } from '../input.js';
import type { FolderOrigin } from '../origin.js';
import { eachParallel, type WorkOptions } from '../pool.js';
import { readSamples } from '../read.js';
import type { Parts, ReadOptions, SampleSource } from '../source.js';
import { defaultShares, type SplitShares, splits, stratify } from '../split.js';
import { decodeImage } from './decode.js';
import { checkImageInput, type ResizePolicy } from './input.js';
import { type LabelledFile, type Layout, readLayout } from './layout.js';

/** Incremented when decoding changes, so that images cached by an older version are not reused. */
const DECODER = 2;

/** Options for selecting and decoding the images of a folder. */
export interface FolderOptions {
  /** How images of another size are fitted to the input; `stretch` by default, bilinear with antialiasing. */
  readonly resize?: ResizePolicy | undefined;
  /** Skips images that cannot be decoded, and lists them; otherwise the first one is an error. */
  readonly skipBad?: boolean | undefined;
  /** Seed of the split, if the folder has no train/ and test/; 0 by default. */
  readonly seed?: number | undefined;
  /** Shares of that split; a fifth for the test by default. */
  readonly shares?: SplitShares | undefined;
}

/** Options for reading a folder of images. */
export interface ImageOptions extends FolderOptions, ReadOptions {}

type Files = Parts<readonly LabelledFile[]>;

function splitFiles(folder: string, layout: Layout, origin: FolderOrigin): Files {
  const { all, train = [], validation, test } = layout.files;
  if (all) {
    const nameOf = (file: LabelledFile) => relative(folder, file.path).replaceAll('\\', '/');
    const { validation: chosen, ...rest } = stratify(all, layout.classes, origin.seed, nameOf, origin.shares);
    return chosen.length > 0 ? { ...rest, validation: chosen } : rest;
  }
  // Without a test split, the validation split is the one that is never used in training.
  return test ? { train, ...(validation && { validation }), test } : { train, test: validation ?? [] };
}

/** A hash over everything on which decoded images depend: names, sizes and times of the files, splits, the input, the policy, the decoder. */
async function keyOf(
  folder: string,
  files: Files,
  input: InputFormat,
  { resize }: FolderOrigin,
  options: WorkOptions,
): Promise<string> {
  const all = splits.flatMap(split => (files[split] ?? []).map(file => ({ ...file, split })));
  const facts: string[] = new Array(all.length);
  await eachParallel(
    all.length,
    16,
    async i => {
      const { path = '', label, split } = all[i] ?? {};
      try {
        const { size, mtimeMs } = await fs.stat(path);
        facts[i] = [split, label, relative(folder, path), size, mtimeMs].join('\0');
      } catch (error) {
        throw fileError(error, path, 'cannot be read');
      }
    },
    { signal: options.signal },
  );
  const hash = createHash('sha256');
  hash.update(JSON.stringify([DECODER, sharp.versions.vips, input.height, input.width, input.channels, resize]));
  for (const table of input.tables) hash.update(table);
  hash.update(facts.join('\n'));
  return hash.digest('hex');
}

/**
 * A folder of class folders, with or without train/, validation/ and test/, as a source of samples. Lists the files and decodes nothing. Throws
 * `DATA_LAYOUT`, `CLASS_EMPTY` and similar errors for a layout that cannot be intentional, `FILE_ERROR` for a folder that cannot be read.
 */
export async function imageFolder(folder: string, options: FolderOptions = {}): Promise<SampleSource> {
  const { resize = 'stretch', skipBad = false, seed = 0, shares = defaultShares } = options;
  const origin: FolderOrigin = { kind: 'images', folder: resolve(folder), resize, skipBad, seed, shares };
  const layout = await readLayout(folder);
  const files = splitFiles(folder, layout, origin);
  const listed = (part: readonly LabelledFile[]) => part.map(({ path, label }) => ({ name: path, label }));
  const source = {
    name: layout.files.all ? `${folder}, split by seed ${seed}` : folder,
    origin,
    classes: layout.classes,
    parts: {
      train: listed(files.train),
      ...(files.validation && { validation: listed(files.validation) }),
      test: listed(files.test),
    },
  };
  const isBad = (error: unknown): error is TinytrainError =>
    error instanceof TinytrainError && error.code === 'IMAGE_CORRUPT';
  return {
    ...source,
    async read(input, how = {}) {
      checkImageInput(input);
      const key = await keyOf(folder, files, input, origin, how);
      const make = (split: (typeof splits)[number], place: number) =>
        decodeImage(files[split]?.[place]?.path ?? '', input, resize);
      return readSamples({ source, key, skipBad, make, isBad }, input, how);
    },
  };
}

/** Reads a folder of class folders into a model's input: `imageFolder` and its `read` in one. Throws the errors of both. */
export async function loadImages(folder: string, input: InputFormat, options: ImageOptions = {}): Promise<SampleSet> {
  checkImageInput(input);
  return (await imageFolder(folder, options)).read(input, options);
}
