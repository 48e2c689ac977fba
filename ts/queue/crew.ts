import type { Queue, QueueEvents, Job as QueueJob } from 'bullmq';
import type { Redis } from 'ioredis';
import { aborted, TinytrainError } from '../errors.js';
import { version } from '../version.js';
import { Blobs } from './blobs.js';
import { type FoundBy, failureOf, foundOf, type Job, nameOf } from './jobs.js';
import { prefix, queueName } from './keys.js';
import { Presence, type Present } from './presence.js';
import { connected, patient, placeOf, type QueuePackages, queuePackages } from './redis.js';

/** Milliseconds between two looks at who is there. */
const LOOK_MS = 3000;
/** Every so many looks it is asked how open jobs stand, in case an event was lost. */
const LOOKS_PER_CHECK = 5;
/** Seconds for which results are kept: a search that was killed and goes on finds what was done for it. */
const KEPT_SECONDS = 86_400;
/** How often a job is tried where a worker fails for a reason of its machine, such as a full disk. */
const ATTEMPTS = 5;
/** Longest wait, in milliseconds, for a server that may be gone when this process ends. */
const FAREWELL_MS = 1000;

/** Workers that are there. */
export interface Workers {
  /** Number of worker processes. */
  readonly processes: number;
  /** Number of threads of all of them. */
  readonly threads: number;
  /** Versions of those that cannot help, because they are of another one. */
  readonly refused: readonly string[];
}

/** A job whose result is awaited. */
interface Open {
  readonly job: Job;
  readonly result: Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Waits, but not for long. */
export async function briefly(work: Promise<unknown>, ms: number = FAREWELL_MS): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise(resolve => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work.catch(() => {}), late]);
  clearTimeout(timer);
}

function workersOf(present: readonly Present[]): Workers {
  const own = present.filter(other => other.version === version);
  return {
    processes: own.length,
    threads: own.reduce((sum, { threads }) => sum + threads, 0),
    refused: [...new Set(present.flatMap(other => (other.version === version ? [] : [other.version])))].sort(),
  };
}

/** Workers on any machines, as one process sees them that asks for work. */
export class Crew {
  /** Where blobs are put that jobs name. */
  readonly blobs: Blobs;
  /** The server, without what is secret in its URL. */
  readonly place: string;
  readonly #redis: Redis;
  readonly #queue: Queue;
  readonly #events: QueueEvents;
  /** The connections of queue and events, which would not let go of a server that is gone. */
  readonly #lines: readonly Redis[];
  readonly #presence: Presence;
  readonly #onWorkers: (workers: Workers) => void;
  readonly #open = new Map<string, Open>();
  #workers: Workers = { processes: 0, threads: 0, refused: [] };
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #looks = 0;

  private constructor(url: string, { bullmq, Redis }: QueuePackages, redis: Redis, onWorkers: (w: Workers) => void) {
    this.place = placeOf(url);
    this.#redis = redis;
    this.#onWorkers = onWorkers;
    this.blobs = new Blobs(redis);
    this.#presence = new Presence(redis, 'asking', 0);
    const [queue, events] = [new Redis(url, patient), new Redis(url, patient)];
    this.#lines = [queue, events];
    this.#queue = new bullmq.Queue(queueName, { connection: queue, prefix });
    this.#events = new bullmq.QueueEvents(queueName, { connection: events, prefix });
    // A server that is gone comes back: what was asked for is then asked for again.
    for (const line of this.#lines) line.on('error', () => {});
    this.#queue.on('error', () => {});
    this.#events.on('error', () => {});
    redis.on('ready', () => void this.#check());
    this.#events.on('completed', ({ jobId, returnvalue }) => this.#settle(jobId, returnvalue));
    // One that was asked for before, by a process that is gone, may have its result already.
    this.#events.on('duplicated', ({ jobId }) => void this.#checkOne(jobId));
    this.#events.on('failed', ({ jobId, failedReason }) => this.#fail(jobId, failedReason));
  }

  /**
   * Joins the workers at a Redis server. `onWorkers` is told whenever they change, and at the beginning. Throws `QUEUE_MISSING`, `REDIS_UNREACHABLE`,
   * `REDIS_REFUSED`, `ABORTED`.
   */
  static async join(url: string, onWorkers: (workers: Workers) => void, signal?: AbortSignal): Promise<Crew> {
    const packages = await queuePackages();
    const redis = await connected(url, packages, signal);
    const crew = new Crew(url, packages, redis, onWorkers);
    try {
      await crew.#events.waitUntilReady();
      await crew.#look(true);
      crew.#timer = setInterval(() => void crew.#look(false), LOOK_MS);
      return crew;
    } catch (error) {
      await crew.close();
      throw error;
    }
  }

  /** The workers that were there when it was last looked. */
  get workers(): Workers {
    return this.#workers;
  }

  /** Says that this process is there, and looks who else is; where the server is gone, it waits until it is back. */
  async #look(first: boolean): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      await this.#presence.say();
      const found = workersOf(await this.#presence.others('working'));
      const changed = JSON.stringify(found) !== JSON.stringify(this.#workers);
      this.#workers = found;
      if (changed || first) this.#onWorkers(found);
      if (++this.#looks % LOOKS_PER_CHECK === 0) await this.#check();
    } catch (error) {
      if (first) throw error;
    } finally {
      this.#looking = false;
    }
  }

  async #add(name: string, job: Job): Promise<void> {
    await this.#queue.add(job.kind, job, {
      jobId: name,
      attempts: ATTEMPTS,
      backoff: { type: 'fixed', delay: 1000 },
      removeOnComplete: { age: KEPT_SECONDS },
      removeOnFail: true,
    });
  }

  /** How each open job stands. */
  async #check(): Promise<void> {
    for (const name of [...this.#open.keys()]) await this.#checkOne(name);
  }

  /** How an open job stands. One that is gone is asked for again: a server without persistence forgets all of them. */
  async #checkOne(name: string): Promise<void> {
    if (!this.#open.has(name)) return;
    const found: QueueJob | null | undefined = await this.#queue.getJob(name).catch(() => null);
    const open = this.#open.get(name);
    // Nothing is known where the server did not answer.
    if (!open || found === null) return;
    if (!found) await this.#add(name, open.job).catch(() => {});
    else if (found.finishedOn !== undefined && found.returnvalue !== null) open.resolve(found.returnvalue);
  }

  #settle(name: string, value: unknown): void {
    this.#open.get(name)?.resolve(value);
  }

  #fail(name: string, reason: string): void {
    this.#open.get(name)?.reject(failureOf(reason));
  }

  #ask(name: string, job: Job): Promise<unknown> {
    const known = this.#open.get(name);
    if (known) return known.result;
    let open: Pick<Open, 'resolve' | 'reject'> | undefined;
    const promise = new Promise<unknown>((resolve, reject) => {
      open = { resolve, reject };
    });
    const result = promise.finally(() => this.#open.delete(name));
    if (open) this.#open.set(name, { job, ...open, result });
    this.#add(name, job).catch(error => this.#open.get(name)?.reject(error));
    return result;
  }

  /** Has a worker do a job. Throws the worker's error, `JOB_BROKEN` for a result that is none, and `ABORTED`; a job that nobody has begun is then taken back. */
  async ask<J extends Job>(job: J, signal: AbortSignal): Promise<FoundBy[J['kind']]> {
    const stopped = () => aborted('the work', signal);
    if (signal.aborted) throw stopped();
    const name = nameOf(job);
    const stop = () => {
      this.#open.get(name)?.reject(stopped());
      // One that has begun is done to its end, and its result kept.
      this.#queue.remove(name).catch(() => {});
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      return foundOf<J['kind']>(job.kind, await this.#ask(name, job));
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Forgets the result of a job. */
  async forget(job: Job): Promise<void> {
    await this.#queue.remove(nameOf(job));
  }

  /** Leaves. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const { reject } of this.#open.values()) {
      reject(new TinytrainError('ABORTED', 'the work was stopped'));
    }
    await briefly(this.#presence.end());
    this.#redis.disconnect();
    await Promise.all([briefly(this.#queue.close()), briefly(this.#events.close())]);
    for (const line of this.#lines) line.disconnect();
  }
}
