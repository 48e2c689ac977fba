import { aborted } from '../errors.js';
import type { Trials } from './trials.js';
import type { SearchEvent, SearchPhase } from './types.js';

/** Shares of the time after which each phase must have ended. */
const ENDS: Readonly<Record<SearchPhase, number>> = { analysis: 0.5, evolution: 0.58, proof: 0.8, test: 1 };

/** The time limit of a search, and the listener for its progress. */
export interface ClockSettings {
  /** Seconds for the entire search; infinite without a limit. */
  readonly seconds: number;
  readonly signal: AbortSignal | undefined;
  readonly emit: (event: SearchEvent) => void;
}

/** The time of a search: the part available to each phase, and the remaining time. */
export class Clock {
  readonly #trials: Trials;
  readonly #settings: ClockSettings;
  readonly #began: number;
  /** Expected training steps of each phase. */
  readonly expected: { analysis: number; proof: number; test: number } = { analysis: 0, proof: 0, test: 0 };

  constructor(trials: Trials, settings: ClockSettings, began: number) {
    this.#trials = trials;
    this.#settings = settings;
    this.#began = began;
  }

  /** What stops the search. */
  get signal(): AbortSignal | undefined {
    return this.#settings.signal;
  }

  /** Begins a phase: no training run continues beyond its share of the time. */
  enter(phase: SearchPhase): void {
    this.#trials.deadline = this.#began + ENDS[phase] * this.#settings.seconds * 1000;
  }

  /** Whether the time of the phase is over. Throws `ABORTED` if the search is to stop. */
  stopped(): boolean {
    if (this.signal?.aborted) throw aborted('the search', this.signal);
    return performance.now() > this.#trials.deadline;
  }

  /** Reports the progress of a phase, and the remaining time of the search. */
  progress(phase: SearchPhase, what: string, done: number, total: number): void {
    const { analysis, proof, test } = this.expected;
    const left = this.#trials.secondsFor(Math.max(0, analysis + proof + test - this.#trials.steps));
    this.#settings.emit({ type: 'progress', phase, what, done, total, left });
  }
}
