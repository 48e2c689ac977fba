import { type Change, onChange } from '#tinytrain/disk.js';

/** How a change fails: alone, as on a disk that is full from then on, or as in a process that has died and changes nothing more. */
export type Fault = 'alone' | 'full' | 'dead';

export const faults: readonly Fault[] = ['alone', 'full', 'dead'];

/** What needs room on a disk; removing and renaming do not. */
const takesRoom: readonly Change[] = ['folder', 'create', 'write', 'truncate', 'sync'];

function failure(fault: Fault): Error {
  const code = { alone: 'EIO', full: 'ENOSPC', dead: 'EIO' }[fault];
  return Object.assign(new Error(`${code}: a fault of the test`), { code });
}

/** The number of changes that work makes on disk. */
export async function changesOf(work: () => Promise<unknown>): Promise<number> {
  let changes = 0;
  onChange(() => void changes++);
  try {
    await work();
  } finally {
    onChange(undefined);
  }
  return changes;
}

/** Does work whose change number `at`, from 0, fails. Returns what it throws; undefined if it lives with the fault. */
export async function failing(at: number, fault: Fault, work: () => Promise<unknown>): Promise<unknown> {
  let next = 0;
  onChange(change => {
    const place = next++;
    const fails = { alone: place === at, full: place >= at && takesRoom.includes(change), dead: place >= at }[fault];
    if (fails) throw failure(fault);
  });
  try {
    await work();
    return undefined;
  } catch (error) {
    return error ?? new Error('nothing was thrown');
  } finally {
    onChange(undefined);
  }
}
