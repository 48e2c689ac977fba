import { bar, duration } from '../format.js';
import type { Progress } from '../report/live.js';

const BAR = 24;
/** Shortest interval between two drawings of the line, in milliseconds. */
const INTERVAL_MS = 80;

/** Progress on stderr, in one line that is redrawn; nothing if stderr is not a terminal. */
export class ProgressLine {
  readonly #terminal = process.stderr.isTTY === true;
  readonly #color = this.#terminal && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
  readonly #told: ((progress: Progress) => void) | undefined;
  #what = '';
  #began = 0;
  #drawn = 0;

  /** `told` is told of all progress, also where stderr is no terminal. */
  constructor(told?: (progress: Progress) => void) {
    this.#told = told;
  }

  /** Shows the progress of `what`. `inAll`: seconds until everything is done, if known; otherwise the line estimates when `what` is done. */
  show(what: string, done: number, total: number, note = '', inAll?: number | null): void {
    this.#told?.({ what, done, total, note, left: inAll ?? null });
    if (!this.#terminal) return;
    const now = performance.now();
    if (what !== this.#what) {
      this.clear();
      [this.#what, this.#began, this.#drawn] = [what, now, 0];
    }
    if (now - this.#drawn < INTERVAL_MS && done < total) return;
    this.#drawn = now;
    const elapsed = (now - this.#began) / 1000;
    const own = done > 0 && elapsed > 1 ? `about ${duration((elapsed / done) * (total - done))} left` : '';
    const left = inAll === undefined ? own : inAll === null ? '' : `about ${duration(inAll)} left in total`;
    const share = total > 0 ? done / total : 0;
    const drawn = bar(share, BAR) + '░'.repeat(BAR - bar(share, BAR).length);
    const text = [`${done} of ${total}`, note, left].filter(part => part !== '').join('  ');
    // A line longer than the width of the terminal could not be redrawn.
    const room = (process.stderr.columns ?? 80) - 1;
    const plain = `${what.padEnd(10)}  ${text}`;
    const shown = this.#color ? `\x1b[36m${drawn}\x1b[0m` : drawn;
    const whole = `${what.padEnd(10)}  ${shown}  ${text}`;
    process.stderr.write(`\r\x1b[2K${plain.length + BAR + 2 > room ? plain.slice(0, room) : whole}`);
  }

  /** Shows a text whose end is not known. */
  count(text: string): void {
    if (!this.#terminal) return;
    this.#what = text;
    process.stderr.write(`\r\x1b[2K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }

  /** Erases the line. */
  clear(): void {
    if (this.#terminal && this.#what !== '') process.stderr.write('\r\x1b[2K');
    this.#what = '';
  }
}
