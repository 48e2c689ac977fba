import * as v from 'valibot';
import { count } from '../json.js';
import { makerSchema } from '../queue/jobs.js';
import type { RecordKind } from '../records.js';
import type { Maker } from './trial.js';

/** Name of the file. */
export const crewFile = 'workers.json';

/** A worker, and what it has done for a search. */
export interface WorkerShare extends Omit<Maker, 'begun'> {
  /** Training runs that it has ended, and the seconds that they took. */
  readonly runs: number;
  readonly seconds: number;
}

/** Who has made the training runs of a search. It differs from one search to the next, and is therefore no part of its result. */
export interface WorkerShares {
  readonly runs: number;
  /** Runs that were begun more than once, and how often in total beyond the first time: a worker had ended amid them. */
  readonly again: { readonly runs: number; readonly times: number };
  /** Runs that the process of the search itself has made. */
  readonly own: number;
  /** Those with most runs first. */
  readonly workers: readonly WorkerShare[];
}

const { begun: _begun, ...worker } = makerSchema.entries;

/** The record beside the result of a search that workers have helped with. */
export const crewKind: RecordKind<WorkerShares> = {
  name: 'record of the workers of a search',
  format: 1,
  code: 'SEARCH_BROKEN',
  schema: v.object({
    runs: count,
    again: v.object({ runs: count, times: count }),
    own: count,
    workers: v.array(v.object({ ...worker, runs: count, seconds: v.pipe(v.number(), v.finite(), v.minValue(0)) })),
  }),
};

/** Counts who makes runs. */
export class CrewRecord {
  readonly #workers = new Map<string, WorkerShare>();
  readonly #counts = { runs: 0, own: 0, again: 0, times: 0 };

  /** Counts a run. */
  add(seconds: number, by: Maker | undefined): void {
    this.#counts.runs++;
    if (!by) {
      this.#counts.own++;
      return;
    }
    const { begun, ...maker } = by;
    if (begun > 1) this.#counts.again++;
    this.#counts.times += begun - 1;
    const name = `${maker.host} ${maker.process} ${maker.threads}`;
    const known = this.#workers.get(name) ?? { ...maker, runs: 0, seconds: 0 };
    this.#workers.set(name, { ...known, runs: known.runs + 1, seconds: known.seconds + seconds });
  }

  /** What was counted; null where no worker has made a run. */
  get shares(): WorkerShares | null {
    if (this.#workers.size === 0) return null;
    const { runs, own, again, times } = this.#counts;
    const workers = [...this.#workers.values()];
    workers.sort((a, b) => b.runs - a.runs || a.host.localeCompare(b.host) || a.process - b.process);
    return { runs, own, again: { runs: again, times }, workers };
  }
}
