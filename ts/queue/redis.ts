import type { Redis } from 'ioredis';
import { aborted, messageOf, systemCode, TinytrainError } from '../errors.js';

/** The packages of the queue, which only those who use it install. */
export interface QueuePackages {
  readonly bullmq: typeof import('bullmq');
  readonly Redis: typeof import('ioredis').Redis;
}

/** Milliseconds within which a server has to answer when a command begins. */
const FIRST_ANSWER_MS = 5000;
/** Longest wait before the next attempt to reach a server that went away, in milliseconds. */
const LONGEST_WAIT_MS = 1000;

/** Loads the packages of the queue. Throws `QUEUE_MISSING` where they are not installed. */
export async function queuePackages(): Promise<QueuePackages> {
  try {
    const [bullmq, { Redis }] = await Promise.all([import('bullmq'), import('ioredis')]);
    return { bullmq, Redis };
  } catch (error) {
    if (systemCode(error) !== 'ERR_MODULE_NOT_FOUND' && systemCode(error) !== 'MODULE_NOT_FOUND') throw error;
    throw new TinytrainError(
      'QUEUE_MISSING',
      'spreading work over machines needs the packages bullmq and ioredis, which are not installed',
      { help: ['npm install bullmq ioredis'] },
      error,
    );
  }
}

/** The place that a URL names, without what is secret in it. */
export function placeOf(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

/** What ioredis is told beside the URL: it goes on for ever where the server goes away, and sends again what had no answer. */
export const patient = {
  maxRetriesPerRequest: null,
  retryStrategy: (times: number): number => Math.min(100 * times, LONGEST_WAIT_MS),
};

function refusal(url: string, error: unknown): TinytrainError {
  const place = placeOf(url);
  const text = messageOf(error) || (systemCode(error) ?? 'no answer');
  if (/WRONGPASS|NOAUTH|NOPERM|invalid password/i.test(text)) {
    return new TinytrainError(
      'REDIS_REFUSED',
      `${place}: Redis refuses the user or the password: ${text}`,
      { place, help: ['both belong into the URL: redis://USER:PASSWORD@HOST:PORT, rediss:// with TLS'] },
      error,
    );
  }
  return new TinytrainError(
    'REDIS_UNREACHABLE',
    `${place}: Redis cannot be reached: ${text}`,
    { place, system: systemCode(error), help: ['docs/scale.md says how to start one'] },
    error,
  );
}

/**
 * Connects to Redis; the first answer has to come within seconds, later ones may take as long as a restart of the server does. Throws `REDIS_UNREACHABLE`,
 * `REDIS_REFUSED`, `ABORTED`.
 */
export async function connected(url: string, { Redis }: QueuePackages, signal?: AbortSignal): Promise<Redis> {
  const first = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: FIRST_ANSWER_MS,
    commandTimeout: FIRST_ANSWER_MS,
  });
  let reason: unknown;
  first.on('error', error => {
    reason = error;
  });
  const stop = () => first.disconnect();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    await first.connect();
    await first.ping();
  } catch (error) {
    if (signal?.aborted) throw aborted('connecting to Redis', signal);
    throw refusal(url, reason ?? error);
  } finally {
    signal?.removeEventListener('abort', stop);
    first.disconnect();
  }
  const redis = new Redis(url, patient);
  // Without a listener, ioredis writes every failed attempt on stderr.
  redis.on('error', () => {});
  return redis;
}
