import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { promises as fs } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { command } from './cli.js';
import { temporary } from './folder.js';

const isThere = spawnSync('redis-server', ['--version']).status === 0;

/** A test that needs a Redis server; where none is installed, it says so and passes. */
export function withRedis(title: string, implementation: (t: ExecutionContext, redis: RedisServer) => Promise<void>) {
  test.serial(title, async t => {
    if (isThere) return implementation(t, await RedisServer.start(t));
    t.log('left out: redis-server is not installed');
    t.pass();
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

/** A Redis server of a test's own, on loopback, with a password, which writes all that it is told into a folder. */
export class RedisServer {
  readonly #folder: string;
  readonly #port: number;
  #process: ChildProcess | undefined;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#port = port;
  }

  static async start(t: ExecutionContext): Promise<RedisServer> {
    const server = new RedisServer(await temporary(t), await freePort());
    t.teardown(() => server.kill());
    await server.begin();
    return server;
  }

  get url(): string {
    return `redis://:secret@127.0.0.1:${this.#port}`;
  }

  /** Starts the server, with what it has written before. */
  async begin(): Promise<void> {
    const args = ['--port', `${this.#port}`, '--bind', '127.0.0.1', '--requirepass', 'secret', '--save', ''];
    this.#process = spawn('redis-server', [...args, '--appendonly', 'yes', '--dir', this.#folder], { stdio: 'ignore' });
    const client = this.client();
    await client.ping();
    client.disconnect();
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    const ended = this.#process;
    if (!ended || ended.exitCode !== null || ended.signalCode !== null) return;
    ended.kill('SIGKILL');
    await once(ended, 'exit');
  }

  /** Forgets everything that was written. */
  async forget(): Promise<void> {
    await fs.rm(join(this.#folder, 'appendonlydir'), { recursive: true, force: true });
  }

  client(): Redis {
    const client = new Redis(this.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
    client.on('error', () => {});
    return client;
  }
}

/** A worker as a user starts it, with a cache of its own. */
export interface Worker {
  readonly process: ChildProcess;
  /** What it has written so far. */
  readonly said: () => string;
  /** Ends when it has ended, with its exit code or signal. */
  readonly ended: Promise<number | string | null>;
}

export async function startWorker(t: ExecutionContext, url: string, main: string = command): Promise<Worker> {
  const folder = await temporary(t);
  const child = spawn(process.execPath, [main, 'worker', '--redis', url, '--threads', '1'], {
    env: { ...process.env, TINYTRAIN_CACHE: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (said += chunk));
  const ended = new Promise<number | string | null>(resolve => {
    child.on('close', (code, signal) => resolve(signal ?? code));
  });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { process: child, said: () => said, ended };
}
