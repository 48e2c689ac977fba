import { bar, duration } from '../format.js';

const BAR = 24;
/** A line is drawn at most so often. */
const INTERVAL_MS = 80;

/** Progress on stderr, in one line that is drawn again; nothing at all where stderr is not a terminal. */
export class ProgressLine {
  readonly #terminal = process.stderr.isTTY === true;
  readonly #color = this.#terminal && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
  #what = '';
  #began = 0;
  #drawn = 0;

  /** Shows how far `what` is. `inAll`: seconds to the end of the whole, where that is known; otherwise the line says when `what` is done. */
  show(what: string, done: number, total: number, note = '', inAll?: number | null): void {
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
    const left = inAll === undefined ? own : inAll === null ? '' : `about ${duration(inAll)} left in all`;
    const share = total > 0 ? done / total : 0;
    const drawn = bar(share, BAR) + '░'.repeat(BAR - bar(share, BAR).length);
    const text = [`${done} of ${total}`, note, left].filter(part => part !== '').join('  ');
    // A line that is longer than the terminal is wide could not be drawn over.
    const room = (process.stderr.columns ?? 80) - 1;
    const plain = `${what.padEnd(10)}  ${text}`;
    const shown = this.#color ? `\x1b[36m${drawn}\x1b[0m` : drawn;
    const whole = `${what.padEnd(10)}  ${shown}  ${text}`;
    process.stderr.write(`\r\x1b[2K${plain.length + BAR + 2 > room ? plain.slice(0, room) : whole}`);
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#terminal && this.#what !== '') process.stderr.write('\r\x1b[2K');
    this.#what = '';
  }
}
