import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { type FirmwareManifest, openFirmware } from '../device/firmware.js';
import { fileError, systemCode, TinytrainError } from '../errors.js';
import type { WorkerShares } from '../search/crew.js';
import { readSearch, readShares } from '../search/stored.js';
import type { SearchResult } from '../search/types.js';
import { openRun, type RunFolder } from '../train/run.js';
import type { RunResult } from '../train/types.js';

/** A training run that has ended. */
export interface EndedRun {
  readonly folder: RunFolder;
  readonly result: RunResult;
}

/** What a folder holds: a run, several that differ in their seed (`train --seed 1..5`), a search or a firmware. */
export type Opened =
  | { readonly kind: 'runs'; readonly path: string; readonly runs: readonly EndedRun[] }
  | {
      readonly kind: 'search';
      readonly path: string;
      readonly result: SearchResult;
      /** Who has made its runs, where it was not one process alone. */
      readonly workers?: WorkerShares | undefined;
    }
  | { readonly kind: 'firmware'; readonly path: string; readonly manifest: FirmwareManifest };

const SEED = /^seed-(\d+)$/;

async function ended(path: string): Promise<EndedRun> {
  const folder = await openRun(path);
  const result = await folder.result();
  if (result) return { folder, result };
  throw new TinytrainError('RUN_UNFINISHED', `${path}: the training run has not ended yet`, {
    path,
    help: [`continue it: npx tinytrain train --resume ${path}`],
  });
}

/**
 * Opens a folder that `train`, `search` or `compile` has written, whichever it is. Throws `FOLDER_UNKNOWN` for any other, `RUN_UNFINISHED`, `SEARCH_UNFINISHED`, and the
 * errors of reading what is there.
 */
export async function openFolder(path: string): Promise<Opened> {
  const names = await fs.readdir(path).catch(error => {
    throw fileError(systemCode(error) === 'ENOTDIR' ? new Error('it is a file') : error, path, 'cannot be read');
  });
  if (names.includes('run.json')) return { kind: 'runs', path, runs: [await ended(path)] };
  if (names.includes('journal.jsonl')) {
    return { kind: 'search', path, result: await readSearch(path), workers: await readShares(path) };
  }
  if (names.includes('manifest.json')) return { kind: 'firmware', path, manifest: await openFirmware(path) };
  const seeds = names.flatMap(name => SEED.exec(name)?.[1] ?? []).map(Number);
  const runs: EndedRun[] = [];
  for (const seed of seeds.sort((a, b) => a - b)) runs.push(await ended(join(path, `seed-${seed}`)));
  if (runs.length > 0) return { kind: 'runs', path, runs };
  throw new TinytrainError('FOLDER_UNKNOWN', `${path}: neither a training run nor a search nor a firmware`, {
    path,
    help: ['`train`, `search` and `compile` write such folders, with --out DIR'],
  });
}
