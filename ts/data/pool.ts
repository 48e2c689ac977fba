import { aborted } from '../errors.js';

/** How far a long piece of work has come. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

/** What any long piece of work takes. */
export interface WorkOptions {
  /** Stops the work; it then rejects with the code `ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** Told now and then how far the work has come. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Runs `work` for 0 to `total` - 1, at most `limit` at a time. The first failure stops the rest and is what it rejects with. */
export async function eachParallel(
  total: number,
  limit: number,
  work: (index: number) => Promise<void>,
  { signal, onProgress }: WorkOptions = {},
): Promise<void> {
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    while (next < total) {
      if (signal?.aborted) throw aborted('the work');
      await work(next++);
      onProgress?.({ done: ++done, total });
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(limit, total) }, worker));
  } finally {
    next = total;
  }
}
