import { TinytrainError } from '../errors.js';
import { drawnImages } from './drawn/set.js';
import { imageFolder } from './images/folder.js';
import type { DataOrigin } from './origin.js';
import { cachedSource } from './read.js';
import type { SampleSource } from './source.js';

/**
 * Opens the source of samples. If a folder no longer exists, the cache may still contain the samples read from it; `hash` is that of the set. Throws
 * the errors of opening the source.
 */
export async function openSource(origin: DataOrigin, hash: string, cacheFolder?: string): Promise<SampleSource> {
  if (origin.kind === 'drawn') return drawnImages(origin);
  try {
    return await imageFolder(origin.folder, origin);
  } catch (error) {
    const gone = error instanceof TinytrainError && error.code === 'FILE_ERROR';
    const cached = gone ? await cachedSource(hash, cacheFolder) : undefined;
    if (cached) return cached;
    throw error;
  }
}
