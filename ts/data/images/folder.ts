import { resolve } from 'node:path';
import sharp from 'sharp';
import { TinytrainError } from '../../errors.js';
import { options as all, checkOptions, optionTable } from '../../options.js';
import type { SampleSet } from '../dataset.js';
import { keyOf, splitFiles } from '../folder.js';
import type { InputFormat } from '../input.js';
import { images } from '../kind.js';
import { type LabelledFile, readLayout } from '../layout.js';
import type { FolderOrigin } from '../origin.js';
import { checkReading, readSamples } from '../read.js';
import type { ReadOptions, SampleSource } from '../source.js';
import { defaultShares, type Split, type SplitShares } from '../split.js';
import { checkFitting, viewOf } from './camera.js';
import { decodeImage } from './decode.js';
import { checkImageInput, type Fitting } from './input.js';

/** Incremented when decoding changes, so that images cached by an older version are not reused. */
const DECODER = 2;

/** Options for selecting and decoding the images of a folder. */
export interface FolderOptions extends Fitting {
  /** Skips images that cannot be decoded, and lists them; otherwise the first one is an error. */
  readonly skipBad?: boolean | undefined;
  /** Seed of the split, if the folder has no train/ and test/; 0 by default. */
  readonly seed?: number | undefined;
  /** Shares of that split; a fifth for the test by default. */
  readonly shares?: SplitShares | undefined;
}

const { resize, camera, crop, skipBad, seed, shares } = all;
const folderOptions = optionTable<FolderOptions>({ resize, camera, crop, skipBad, seed, shares });

/** Options for reading a folder of images. */
export interface ImageOptions extends FolderOptions, ReadOptions {}

/**
 * A folder of class folders, with or without train/, validation/ and test/, as a source of samples. Lists the files and decodes nothing. Throws
 * `DATA_LAYOUT`, `CLASS_EMPTY` and similar errors for a layout that cannot be intentional, `FILE_ERROR` for a folder that cannot be read.
 */
export async function imageFolder(folder: string, options: FolderOptions = {}): Promise<SampleSource> {
  checkOptions(folderOptions, options);
  checkFitting(options);
  const { resize = all.resize.default, skipBad = false, seed = all.seed.default, shares = defaultShares } = options;
  const { camera, crop } = options;
  const fitting = { resize, ...(camera && { camera }), ...(crop && { crop }) };
  const origin: FolderOrigin = { kind: 'images', folder: resolve(folder), ...fitting, skipBad, seed, shares };
  const layout = await readLayout(folder, images);
  const files = splitFiles(folder, layout, origin, images);
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
      checkReading(how);
      checkImageInput(input);
      const { height, width, channels, tables } = input;
      const view = viewOf(fitting, input);
      const facts = [DECODER, sharp.versions.vips, height, width, channels, ...(view ? Object.values(view) : [resize])];
      const key = await keyOf(folder, files, facts, tables, how);
      const make = (split: Split, place: number) => decodeImage(files[split]?.[place]?.path ?? '', input, fitting);
      return readSamples({ source, key, skipBad, make, isBad }, input, how);
    },
  };
}

/** Reads a folder of class folders into a model's input: `imageFolder` and its `read` in one. Throws the errors of both. */
export async function loadImages(folder: string, input: InputFormat, options: ImageOptions = {}): Promise<SampleSet> {
  checkReading(options);
  checkImageInput(input);
  return (await imageFolder(folder, options)).read(input, options);
}
