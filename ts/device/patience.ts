/** The largest part of the limit between two looks at the clock. */
const LOOKS = 20;

/**
 * Waits for something that shows progress, and says when it has shown none for too long. Time in which the other end could not run counts for nothing, so
 * a limit means the same on a busy machine as on an idle one.
 */
export class Patience {
  readonly #limit: number;
  #quiet = 0;
  #now: number;
  #starved: number;

  /** `limit`, `now` and `starved` in milliseconds; `starved` is how long the other end has been kept from running so far. */
  constructor(limit: number, now: number, starved: number) {
    this.#limit = limit;
    this.#now = now;
    this.#starved = starved;
  }

  /** Whether there has been no progress for longer than the limit; `progress` says whether there was any since it was asked last. */
  isOver(now: number, starved: number, progress: boolean): boolean {
    const passed = now - this.#now;
    // Threads that have ended take their share of `starved` with them, and of several all may have waited at once.
    const lost = Math.min(passed, Math.max(0, starved - this.#starved));
    this.#quiet = progress ? 0 : this.#quiet + passed - lost;
    this.#now = now;
    this.#starved = starved;
    return this.#quiet >= this.#limit;
  }
}

/** How often a limit is looked at. */
export function lookEveryMs(limit: number): number {
  return Math.max(1, Math.min(1000, limit / LOOKS));
}
