/** The largest part of the limit between two checks of the clock. */
const LOOKS = 20;

/**
 * Detects when something has made no progress for too long. Time in which the other end could not run does not count, and neither does time in which
 * this end could not look, so a limit means the same on a busy machine as on an idle one.
 */
export class Patience {
  readonly #limit: number;
  #quiet = 0;
  #now: number;
  #starved: number;

  /** `limit`, `now` and `starved` in milliseconds; `starved` is the time for which the other end could not run so far. */
  constructor(limit: number, now: number, starved: number) {
    this.#limit = limit;
    this.#now = now;
    this.#starved = starved;
  }

  /** Whether there has been no progress for longer than the limit; `progress` tells whether there was any since the last call. */
  isOver(now: number, starved: number, progress: boolean): boolean {
    // A look that comes late finds what arrived meanwhile only after it: the delay is this end's own.
    const passed = Math.min(now - this.#now, 2 * lookEveryMs(this.#limit));
    // Threads that have ended no longer count in `starved`, and several may have waited at the same time.
    const lost = Math.min(passed, Math.max(0, starved - this.#starved));
    this.#quiet = progress ? 0 : this.#quiet + passed - lost;
    this.#now = now;
    this.#starved = starved;
    return this.#quiet >= this.#limit;
  }
}

/** How often a limit is checked, in milliseconds. */
export function lookEveryMs(limit: number): number {
  return Math.max(1, Math.min(1000, limit / LOOKS));
}
