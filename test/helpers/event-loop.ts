import { existsSync, readFileSync } from 'node:fs';

const SCHEDULED = '/proc/thread-self/schedstat';

/** Whether this system says how long a thread was at work. */
export const countsThreadTime = existsSync(SCHEDULED);

function threadMilliseconds(): number {
  return Number(readFileSync(SCHEDULED, 'utf8').split(' ')[0]) / 1e6;
}

/**
 * The most CPU time, in milliseconds, that this thread spent between two ticks of a timer while `work` went on: no task was longer. What else the machine
 * does counts for nothing.
 */
export async function longestTask(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let before = threadMilliseconds();
  const tick = () => {
    const now = threadMilliseconds();
    longest = Math.max(longest, now - before);
    before = now;
  };
  const timer = setInterval(tick, 1);
  try {
    await work();
  } finally {
    clearInterval(timer);
    tick();
  }
  return longest;
}
