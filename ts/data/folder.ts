import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { relative } from 'node:path';
import { fileError } from '../errors.js';
import type { SampleKind } from './kind.js';
import type { LabelledFile, Layout } from './layout.js';
import { eachParallel, type WorkOptions } from './pool.js';
import type { Parts } from './source.js';
import { type SplitShares, splits, stratify } from './split.js';

/** The files of each split. */
export type Files = Parts<readonly LabelledFile[]>;

/** How the files of a folder are split where the folder itself does not say it. */
export interface Splitting {
  readonly seed: number;
  readonly shares: SplitShares;
}

/** The files of a folder by split: as its layout says, or by the seed. Throws `CLASS_TOO_SMALL`. */
export function splitFiles(folder: string, layout: Layout, { seed, shares }: Splitting, kind: SampleKind): Files {
  const { all, train = [], validation, test } = layout.files;
  if (all) {
    const nameOf = (file: LabelledFile) => relative(folder, file.path).replaceAll('\\', '/');
    const { validation: chosen, ...rest } = stratify(all, layout.classes, seed, nameOf, shares, kind);
    return chosen.length > 0 ? { ...rest, validation: chosen } : rest;
  }
  // Without a test split, the validation split is the one that is never used in training.
  return test ? { train, ...(validation && { validation }), test } : { train, test: validation ?? [] };
}

/**
 * SHA-256 over everything on which samples depend: names, sizes and times of the files, splits, labels, and `facts`: the input and how the files are read.
 * Throws `FILE_ERROR`, `ABORTED`.
 */
export async function keyOf(
  folder: string,
  files: Files,
  facts: readonly unknown[],
  tables: readonly Int8Array[],
  { signal }: WorkOptions,
): Promise<string> {
  const all = splits.flatMap(split => (files[split] ?? []).map(file => ({ ...file, split })));
  const lines: string[] = new Array(all.length);
  const line = async (i: number): Promise<void> => {
    const { path = '', label, split } = all[i] ?? {};
    try {
      const { size, mtimeMs } = await fs.stat(path);
      lines[i] = [split, label, relative(folder, path), size, mtimeMs].join('\0');
    } catch (error) {
      throw fileError(error, path, 'cannot be read');
    }
  };
  await eachParallel(all.length, 16, line, { signal });
  const hash = createHash('sha256').update(JSON.stringify(facts));
  for (const table of tables) hash.update(table);
  return hash.update(lines.join('\n')).digest('hex');
}
