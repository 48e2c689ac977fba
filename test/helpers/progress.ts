import type { ExecutionContext } from 'ava';

/** The longest time in which a test may do nothing at all: a compiler that takes minutes on a busy machine is still at work. */
const QUIET_MS = 900_000;

/** Makes a test wait for progress and for no clock; returns what has to be called at each step forward. */
export function patient(t: ExecutionContext): () => void {
  const feed = () => t.timeout(QUIET_MS, `nothing has happened for ${QUIET_MS / 60_000} minutes`);
  feed();
  return feed;
}
