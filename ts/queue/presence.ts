import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import * as v from 'valibot';
import { TinytrainError } from '../errors.js';
import { count, parsed } from '../json.js';
import { version } from '../version.js';
import { keys } from './keys.js';

/** Seconds for which one counts as present without saying so again. */
const COUNTS_SECONDS = 20;

/** Who asks for work, and who does it. */
export type Role = 'asking' | 'working';

const schema = v.object({
  id: v.string(),
  version: v.string(),
  host: v.string(),
  process: count,
  threads: count,
});

/** A process that is present. */
export type Present = Readonly<v.InferOutput<typeof schema>>;

/** The processes that use a Redis server, each of which says every few seconds that it is there. Redis' own clock counts. */
export class Presence {
  readonly #redis: Redis;
  readonly #role: Role;
  readonly #own: string;

  constructor(redis: Redis, role: Role, threads: number) {
    this.#redis = redis;
    this.#role = role;
    const id = randomBytes(8).toString('hex');
    const own: Present = { id, version, host: hostname(), process: process.pid, threads };
    this.#own = JSON.stringify(own);
  }

  async #now(): Promise<number> {
    const [seconds] = await this.#redis.time();
    return Number(seconds);
  }

  /** Says that this process is there. */
  async say(): Promise<void> {
    await this.#redis.zadd(keys.present(this.#role), (await this.#now()) + COUNTS_SECONDS, this.#own);
  }

  /** Those of a role that are there. */
  async others(role: Role): Promise<Present[]> {
    const key = keys.present(role);
    const now = await this.#now();
    await this.#redis.zremrangebyscore(key, '-inf', now - COUNTS_SECONDS);
    const found = await this.#redis.zrangebyscore(key, now, '+inf');
    // What is not of this form was written by something else, and nobody is there.
    return found.flatMap(text => {
      try {
        return [parsed(text, schema, why => new TinytrainError('INTERNAL', why))];
      } catch {
        return [];
      }
    });
  }

  /** Says that it goes. */
  async end(): Promise<void> {
    await this.#redis.zrem(keys.present(this.#role), this.#own);
  }
}
