import { setMaxListeners } from 'node:events';
import { availableParallelism, hostname } from 'node:os';
import { join } from 'node:path';
import type { Job as QueueJob } from 'bullmq';
import { cacheFolder } from '../data/cache.js';
import { TinytrainError } from '../errors.js';
import { watched } from '../native.js';
import { options as all, cacheBytesOf, checkOptions, optionTable, progress } from '../options.js';
import { BlobFiles, Blobs } from '../queue/blobs.js';
import { briefly } from '../queue/crew.js';
import { type FoundBy, failureText, type Job, jobOf } from '../queue/jobs.js';
import { prefix, queueName } from '../queue/keys.js';
import { Presence } from '../queue/presence.js';
import { connected, patient, placeOf, queuePackages } from '../queue/redis.js';
import { version } from '../version.js';
import { TrainingWork } from './training.js';
import { TrialWork } from './trial.js';

/**
 * Milliseconds after which the jobs of a worker that says nothing any more are given to another one. It says something every half of that, on a thread that does
 * nothing long.
 */
const SILENT_MS = 20_000;
/** Milliseconds between two looks for such jobs. */
const LOOK_MS = 5000;
/** So many workers may die of a job before it is given up. */
const DEATHS = 10;
/** Longest wait in milliseconds until what was begun is back in the queue. */
const FAREWELL_MS = 5000;
/** Errors that have to do with this machine, so that another one may do better. */
const OF_THE_MACHINE = ['MEMORY', 'FILE_ERROR', 'IO', 'CACHE_FAILED'];

/** Options of a worker. */
export interface WorkOptions {
  /** Number of jobs at a time; one per core by default. */
  readonly threads?: number | undefined;
  /** Size limit of the activation cache in bytes; a quarter of the free memory by default. Does not affect results. */
  readonly cacheBytes?: number | undefined;
  /** Is told what happens. */
  readonly onEvent?: ((event: WorkEvent) => void) | undefined;
  /** Ends the worker: what it has begun goes back into the queue. */
  readonly signal?: AbortSignal | undefined;
}

/** What happens in a worker. */
export type WorkEvent =
  | { readonly type: 'ready'; readonly place: string; readonly threads: number }
  | { readonly type: 'begun' | 'done'; readonly running: number; readonly done: number }
  | { readonly type: 'failed'; readonly message: string; readonly running: number; readonly done: number };

const workOptions = optionTable<WorkOptions>({
  threads: all.threads,
  cacheBytes: all.cacheBytes,
  onEvent: progress(),
  signal: all.signal,
});

/** The name of this machine, in characters that stand for nothing else wherever it is shown. */
function hostName(): string {
  return (
    hostname()
      .replace(/[^\w.-]/g, '_')
      .slice(0, 64) || '_'
  );
}

function refused(place: string, versions: readonly string[]): TinytrainError {
  const [other = ''] = versions;
  return new TinytrainError(
    'WORKER_VERSION',
    `${place}: work is asked for by tinytrain ${versions.join(', ')}, and this worker is ${version}: its results might differ`,
    { place, asked: versions, version, help: [`on this machine: npm install tinytrain@${other}`] },
  );
}

/**
 * Does jobs that others put in the queue at a Redis server, until its signal ends it. It runs no code that it is sent: only Programs that the verifier accepts, on
 * samples, and nothing it is sent is used before its SHA-256 was checked. Throws `QUEUE_MISSING`, `REDIS_UNREACHABLE`, `REDIS_REFUSED`, and
 * `WORKER_VERSION` where work is asked for by another version alone.
 */
export async function workFor(url: string, options: WorkOptions = {}): Promise<void> {
  checkOptions(workOptions, options);
  const { threads = availableParallelism(), signal, onEvent = () => {} } = options;
  const packages = await queuePackages();
  const redis = await connected(url, packages, signal);
  const { UnrecoverableError, WaitingError, Worker } = packages.bullmq;
  const place = placeOf(url);
  const presence = new Presence(redis, 'working', threads);
  const blobs = new Blobs(redis);
  const files = new BlobFiles(blobs, join(cacheFolder(), 'blobs'));
  const cacheBytes = cacheBytesOf(options.cacheBytes);
  const trials = new TrialWork(files, threads, cacheBytes);
  const trainings = new TrainingWork(blobs, files, cacheBytes / threads);
  const does = (job: Job, signal: AbortSignal): Promise<FoundBy[Job['kind']]> =>
    job.kind === 'trial' ? watched(control => trials.do(job, control), { signal }) : trainings.do(job, signal);
  const ending = new AbortController();
  setMaxListeners(0, ending.signal);
  const end = () => ending.abort();
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted) end();
  const counts = { running: 0, done: 0 };
  const own = { host: hostName(), process: process.pid, threads };

  const perform = async (queued: QueueJob, token?: string): Promise<unknown> => {
    counts.running++;
    onEvent({ type: 'begun', ...counts });
    try {
      const job = jobOf(queued.data);
      const found = await does(job, ending.signal);
      counts.running--;
      counts.done++;
      onEvent({ type: 'done', ...counts });
      return job.kind === 'trial' ? { ...found, by: { ...own, begun: Math.max(1, queued.attemptsStarted) } } : found;
    } catch (error) {
      counts.running--;
      if (ending.signal.aborted) {
        // Another worker begins anew with it, and need not wait until it is missed.
        await queued.moveToWait(token);
        throw new WaitingError();
      }
      const text = failureText(error);
      onEvent({ type: 'failed', message: error instanceof Error ? error.message : text, ...counts });
      const again = error instanceof TinytrainError && OF_THE_MACHINE.includes(error.code);
      throw again ? new Error(text) : new UnrecoverableError(text);
    }
  };

  let isRefused = false;
  const check = async (): Promise<void> => {
    await presence.say();
    const asking = await presence.others('asking');
    const versions = [...new Set(asking.map(other => other.version))].sort();
    isRefused = versions.length > 0 && !versions.includes(version);
    if (isRefused) throw refused(place, versions);
  };

  const line = new packages.Redis(url, patient);
  line.on('error', () => {});
  let worker: InstanceType<typeof Worker> | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    await check();
    worker = new Worker(queueName, perform, {
      connection: line,
      prefix,
      concurrency: threads,
      lockDuration: SILENT_MS,
      stalledInterval: LOOK_MS,
      maxStalledCount: DEATHS,
    });
    worker.on('error', () => {});
    await worker.waitUntilReady();
    onEvent({ type: 'ready', place, threads });
    await new Promise<void>((resolve, reject) => {
      let checking = false;
      timer = setInterval(() => {
        if (checking) return;
        checking = true;
        check()
          .catch(error => {
            if (error instanceof TinytrainError) reject(error);
          })
          .finally(() => {
            checking = false;
          });
      }, LOOK_MS);
      if (ending.signal.aborted) resolve();
      ending.signal.addEventListener('abort', () => resolve(), { once: true });
    });
  } finally {
    clearInterval(timer);
    end();
    signal?.removeEventListener('abort', end);
    // Waits until what was begun is back in the queue, unless the server is gone.
    if (worker) {
      await briefly(worker.close(), FAREWELL_MS);
      await briefly(worker.disconnect());
    }
    line.disconnect();
    // One that was refused stays in view for some seconds, so that whoever asks for work can tell.
    if (!isRefused) await briefly(presence.end());
    redis.disconnect();
  }
}
