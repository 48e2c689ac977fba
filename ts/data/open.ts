import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { tasks } from '../defaults.js';
import { TinytrainError } from '../errors.js';
import { options as all, checkOptions, optionTable } from '../options.js';
import { drawers } from './drawn/drawers.js';
import { type FolderOptions, imageFolder } from './images/folder.js';
import { images, recordings, type SampleKind, seriesLike } from './kind.js';
import { cuttingOf, type DataOrigin } from './origin.js';
import { cachedSource } from './read.js';
import { type SeriesOptions, seriesFolder } from './series/folder.js';
import type { SampleSource } from './source.js';

/** Folders inside one another in which samples may lie: splits, classes, and one too many. */
const DEEPEST = 3;

/** What the first file that tells says; undefined if none does. A `.csv` tells only where nothing else does. */
async function kindUnder(folder: string, depth: number): Promise<'images' | 'series' | 'maybe' | undefined> {
  const entries = await fs.readdir(folder, { withFileTypes: true }).catch(() => []);
  const seen = entries.filter(({ name }) => !name.startsWith('.') && name !== '__MACOSX');
  let maybe = false;
  for (const entry of seen.filter(entry => !entry.isDirectory())) {
    const like = seriesLike(entry.name);
    if (like === 'is') return 'series';
    if (like === 'may be') maybe = true;
    else if (entry.isFile() && images.role(entry.name) === 'sample') return 'images';
  }
  for (const entry of depth < DEEPEST ? seen.filter(entry => entry.isDirectory() || entry.isSymbolicLink()) : []) {
    const found = await kindUnder(join(folder, entry.name), depth + 1);
    if (found === 'images' || found === 'series') return found;
    maybe ||= found === 'maybe';
  }
  return maybe ? 'maybe' : undefined;
}

/** What the files of a folder hold: recordings if they are `.npy`, `.wav` or `.csv` and nothing is an image; images otherwise. */
export async function kindOf(folder: string): Promise<SampleKind> {
  const found = await kindUnder(folder, 0);
  return found === 'series' || found === 'maybe' ? recordings : images;
}

const { resize, camera, crop, window, hop, front, skipBad, seed, shares } = all;
/** @internal */
export const sampleOptions = optionTable<FolderOptions & SeriesOptions>({
  resize,
  camera,
  crop,
  window,
  hop,
  front,
  skipBad,
  seed,
  shares,
});

/** A folder of images or of recordings, whichever it is, as a source of samples. Throws the errors of `imageFolder` and `seriesFolder`. */
export async function sampleFolder(folder: string, options: FolderOptions & SeriesOptions = {}): Promise<SampleSource> {
  checkOptions(sampleOptions, options);
  if ((await kindOf(folder)) === recordings) {
    if (!options.camera && !options.crop) return seriesFolder(folder, options);
    throw new TinytrainError('DATA_LAYOUT', `${folder}: there are recordings, not frames of a camera`, {
      path: folder,
    });
  }
  const given = options.window ?? options.hop ?? options.front;
  if (given === undefined) return imageFolder(folder, options);
  throw new TinytrainError(
    'DATA_LAYOUT',
    `${folder}: there are no .npy, .csv or .wav files from which windows could be cut, or spectrograms made`,
    {
      path: folder,
    },
  );
}

/**
 * Opens the source of samples. If a folder no longer exists, the cache may still contain the samples read from it; `hash` is that of the set. Throws
 * the errors of opening the source.
 */
export async function openSource(origin: DataOrigin, hash: string, cacheFolder?: string): Promise<SampleSource> {
  if (origin.kind === 'drawn') {
    const { kind: _kind, task, ...how } = origin;
    return drawers[task ?? tasks[0]](how);
  }
  try {
    if (origin.kind === 'images') {
      const { kind: _kind, folder, ...how } = origin;
      return await imageFolder(folder, how);
    }
    const { folder, skipBad, seed, shares } = origin;
    return await seriesFolder(folder, { skipBad, seed, shares, ...cuttingOf(origin) });
  } catch (error) {
    const gone = error instanceof TinytrainError && error.code === 'FILE_ERROR';
    const cached = gone ? await cachedSource(hash, cacheFolder) : undefined;
    if (cached) return cached;
    throw error;
  }
}
