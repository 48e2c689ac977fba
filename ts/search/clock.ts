import { aborted } from '../errors.js';
import type { Trials } from './trials.js';
import type { SearchEvent, SearchPhase } from './types.js';

/** Shares of the time after which a phase must be at its end. */
const ENDS: Readonly<Record<SearchPhase, number>> = { analysis: 0.5, evolution: 0.58, proof: 0.8, test: 1 };

/** How the time of a search is limited and who is told of it. */
export interface ClockSettings {
  /** Seconds for all of it; infinite without a limit. */
  readonly seconds: number;
  readonly signal: AbortSignal | undefined;
  readonly emit: (event: SearchEvent) => void;
}

/** The time of a search: how much of it each phase may take, and how much of it is left. */
export class Clock {
  readonly #trials: Trials;
  readonly #settings: ClockSettings;
  readonly #began: number;
  /** Training steps of each phase, as far as is known. */
  readonly expected: { analysis: number; proof: number; test: number } = { analysis: 0, proof: 0, test: 0 };

  constructor(trials: Trials, settings: ClockSettings, began: number) {
    this.#trials = trials;
    this.#settings = settings;
    this.#began = began;
  }

  /** Begins a phase: no training run goes on beyond its share of the time. */
  enter(phase: SearchPhase): void {
    this.#trials.deadline = this.#began + ENDS[phase] * this.#settings.seconds * 1000;
  }

  /** Whether the phase's time is over. Throws `ABORTED` when the search is to stop. */
  stopped(): boolean {
    if (this.#settings.signal?.aborted) throw aborted('the search');
    return performance.now() > this.#trials.deadline;
  }

  /** Tells how far a phase is, and how long the rest of the search takes. */
  progress(phase: SearchPhase, what: string, done: number, total: number): void {
    const { analysis, proof, test } = this.expected;
    const left = this.#trials.secondsFor(Math.max(0, analysis + proof + test - this.#trials.visits));
    this.#settings.emit({ type: 'progress', phase, what, done, total, left });
  }
}
