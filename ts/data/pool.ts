import { aborted } from '../errors.js';

/** Progress of a long operation. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

/** Options of any long operation. */
export interface WorkOptions {
  /** Stops the operation, which then rejects with the code `ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** Called from time to time with the progress. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Runs `work` for 0 to `total` - 1, at most `limit` at a time. The first failure stops the rest and becomes the rejection. */
export async function eachParallel(
  total: number,
  limit: number,
  work: (index: number) => Promise<void>,
  { signal, onProgress }: WorkOptions = {},
): Promise<void> {
  let next = 0;
  let done = 0;
  let over = false;
  const worker = async (): Promise<void> => {
    while (next < total) {
      if (signal?.aborted) throw aborted('the operation', signal);
      await work(next++);
      // What was under way when another one failed is of no interest any more.
      if (!over) onProgress?.({ done: ++done, total });
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(limit, total) }, worker));
  } finally {
    over = true;
    next = total;
  }
}
