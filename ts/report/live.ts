import type { SampleSet } from '../data/dataset.js';
import type { Model } from '../model/model.js';
import { originOf } from '../origin.js';
import type { Program } from '../program/program.js';
import type { Maker } from '../search/trial.js';
import type { Contributions, Estimate, Finalist, SearchEvent, SearchPlan, TrialRecord } from '../search/types.js';
import type { RunCurve, RunResult } from '../train/types.js';
import { version } from '../version.js';
import { figuresOf, type ProgramFigures, wordsOf } from './data.js';
import { schemesSoFar, type TrainedScheme } from './trained.js';

/** What a command does at the moment. */
export interface Progress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
  readonly note: string;
  /** Estimated seconds to the end of all; null if nothing is known. */
  readonly left: number | null;
}

/** Training runs of which the last one has not ended. */
export interface TrainingEntry {
  readonly kind: 'training';
  readonly path: string;
  readonly model: string;
  readonly data: string;
  /** One for each seed so far. */
  readonly runs: readonly RunCurve[];
  readonly program: ProgramFigures;
}

/** The latest training run of a search. */
export interface LatestTrial {
  readonly trial: TrialRecord;
  readonly by: Maker | null;
}

/** A search that has not ended. */
export interface SearchingEntry {
  readonly kind: 'searching';
  readonly path: string;
  readonly model: string;
  readonly data: string;
  readonly plan: SearchPlan;
  /** The workers that are there, in words; empty without any. */
  readonly workers: string;
  /** Number of training runs so far, and the last of them, the latest first. */
  readonly runs: number;
  readonly latest: readonly LatestTrial[];
  readonly trained: readonly TrainedScheme[];
  readonly contributions: Contributions | null;
  readonly finalists: readonly (Finalist & { readonly validation: Estimate | null })[];
}

/** What is shown of a command that has not ended. */
export type LiveEntry = TrainingEntry | SearchingEntry;

/** Everything that a page shows of it; the page holds it as JSON. */
export interface LiveData {
  readonly tinytrain: string;
  readonly progress: Progress | null;
  readonly entries: readonly LiveEntry[];
}

/** Training runs as they go on. */
export class TrainingSoFar {
  readonly #facts: Omit<TrainingEntry, 'runs'>;
  readonly #runs: readonly RunCurve[];
  #last: RunCurve | undefined;

  /** `path` names the folder of all of them; `earlier` are those that have ended. */
  constructor(path: string, program: Program, data: SampleSet, earlier: readonly RunResult[]) {
    const words = wordsOf(originOf(program, data));
    this.#facts = { kind: 'training', path, ...words, program: figuresOf(program) };
    this.#runs = earlier.map(({ seed, steps, accuracy, loss, curve, heldOut }) => ({
      ...{ seed, steps, total: steps, curve, heldOut },
      before: { accuracy: accuracy.before, loss: loss.before },
    }));
  }

  /** Takes the curve of the run that has not ended. */
  take(curve: RunCurve): void {
    this.#last = curve;
  }

  entry(): TrainingEntry {
    return { ...this.#facts, runs: [...this.#runs, ...(this.#last ? [this.#last] : [])] };
  }
}

/** How many of the latest training runs are shown. */
const LATEST = 12;

/** A search as it goes on. */
export class SearchSoFar {
  readonly #path: string;
  readonly #words: ReturnType<typeof wordsOf>;
  readonly #trials: TrialRecord[] = [];
  readonly #validation = new Map<string, Estimate>();
  #latest: readonly LatestTrial[] = [];
  #plan: SearchPlan | undefined;
  #contributions: Contributions | null = null;
  #finalists: readonly Finalist[] = [];
  /** The workers that are there, in words. */
  workers = '';

  constructor(path: string, model: Model, data: SampleSet) {
    this.#path = path;
    this.#words = wordsOf(originOf({ model: model.origin, input: model.input }, data));
  }

  take(event: SearchEvent): void {
    if (event.type === 'begin') this.#plan = event.plan;
    else if (event.type === 'round' || event.type === 'analysis') this.#contributions = event.contributions;
    else if (event.type === 'finalists') this.#finalists = event.finalists;
    else if (event.type === 'proof') this.#validation.set(event.finalist.name, event.validation);
    else if (event.type === 'trial') {
      this.#trials.push(event.trial);
      this.#latest = [{ trial: event.trial, by: event.by }, ...this.#latest].slice(0, LATEST);
    }
  }

  /** Undefined before the search has begun. */
  entry(): SearchingEntry | undefined {
    const [plan, contributions, trials] = [this.#plan, this.#contributions, this.#trials];
    if (!plan) return undefined;
    const { biases = [], layers = [] } = contributions ?? {};
    const finalists = this.#finalists;
    return {
      ...{ kind: 'searching', path: this.#path, ...this.#words, plan, workers: this.workers },
      ...{ runs: trials.length, latest: this.#latest, contributions },
      trained: schemesSoFar({ plan, trials, contributions: { biases, layers }, finalists }),
      finalists: finalists.map(one => ({ ...one, validation: this.#validation.get(one.name) ?? null })),
    };
  }
}

/** What a page shows of a command that has not ended. */
export function liveData(progress: Progress | null, entries: readonly LiveEntry[]): LiveData {
  return { tinytrain: version, progress, entries };
}
