import { TinytrainError } from '../errors.js';
import { drawnImages } from './drawn/set.js';
import { imageFolder } from './images/folder.js';
import type { DataOrigin } from './origin.js';
import { cachedSource } from './read.js';
import type { SampleSource } from './source.js';

/**
 * Opens the source that samples came from. Where a folder is gone, the cache may still hold what was read from it: `hash` is the set's. Throws what opening
 * the source throws.
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
