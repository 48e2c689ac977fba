import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { promises as fs, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { command } from './cli.js';
import { temporary } from './folder.js';
import { guarded } from './guard.js';

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
  readonly #test: ExecutionContext;
  readonly #folder: string;
  readonly #port: number;
  readonly #tls: Certificates | undefined;
  #process: ChildProcess | undefined;

  private constructor(t: ExecutionContext, folder: string, port: number, tls: Certificates | undefined) {
    this.#test = t;
    this.#folder = folder;
    this.#port = port;
    this.#tls = tls;
  }

  /** With certificates, it takes connections by TLS alone. */
  static async start(t: ExecutionContext, tls?: Certificates): Promise<RedisServer> {
    const server = new RedisServer(t, await temporary(t), await freePort(), tls);
    t.teardown(() => server.kill());
    await server.begin();
    return server;
  }

  get url(): string {
    return `redis${this.#tls ? 's' : ''}://:secret@127.0.0.1:${this.#port}`;
  }

  /** Starts the server, with what it has written before. */
  async begin(): Promise<void> {
    const { authority = '', certificate = '', key = '' } = this.#tls ?? {};
    const port = this.#tls
      ? [
          ...['--port', '0', '--tls-port', `${this.#port}`, '--tls-auth-clients', 'no'],
          ...['--tls-ca-cert-file', authority, '--tls-cert-file', certificate, '--tls-key-file', key],
        ]
      : ['--port', `${this.#port}`];
    const args = [...port, '--bind', '127.0.0.1', '--requirepass', 'secret', '--save', ''];
    this.#process = spawn('redis-server', [...args, '--appendonly', 'yes', '--dir', this.#folder], { stdio: 'ignore' });
    guarded(this.#test, this.#process);
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
    const tls = this.#tls && { tls: { ca: readFileSync(this.#tls.authority) } };
    const client = new Redis(this.url, { maxRetriesPerRequest: null, retryStrategy: () => 50, ...tls });
    client.on('error', () => {});
    return client;
  }
}

/** An authority of a test's own, and a certificate of it for 127.0.0.1: paths of files. */
export interface Certificates {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** Makes them in a folder; undefined where openssl is not installed, or Redis was built without TLS. */
export async function certificates(folder: string): Promise<Certificates | undefined> {
  if (spawnSync('openssl', ['version']).status !== 0) return undefined;
  // A server that was built without TLS does not know the option, and says so first.
  const { stdout, stderr } = spawnSync('redis-server', ['--tls-port', '0', '--no-such-option']);
  if (`${stdout}${stderr}`.includes('tls-port')) return undefined;
  const path = (name: string) => join(folder, name);
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const own = ['-keyout', path('ca.key'), '-out', path('ca.pem'), '-subj', '/CN=authority of a test'];
  openssl('req', '-x509', ...fresh, ...own, '-days', '2');
  openssl('req', ...fresh, '-keyout', path('key.pem'), '-out', path('asked.pem'), '-subj', '/CN=127.0.0.1');
  await fs.writeFile(path('names'), 'subjectAltName=IP:127.0.0.1\n');
  const by = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-extfile', path('names')];
  openssl('x509', '-req', '-in', path('asked.pem'), ...by, '-out', path('certificate.pem'), '-days', '2');
  return { authority: path('ca.pem'), certificate: path('certificate.pem'), key: path('key.pem') };
}

/** A worker as a user starts it, with a cache of its own. */
export interface Worker {
  readonly process: ChildProcess;
  /** What it has written so far. */
  readonly said: () => string;
  /** Ends when it has ended, with its exit code or signal. */
  readonly ended: Promise<number | string | null>;
}

export async function startWorker(
  t: ExecutionContext,
  url: string,
  main: string = command,
  env: Readonly<Record<string, string>> = {},
): Promise<Worker> {
  const folder = await temporary(t);
  const child = spawn(process.execPath, [main, 'worker', '--redis', url, '--threads', '1'], {
    env: { ...process.env, ...env, TINYTRAIN_CACHE: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  guarded(t, child);
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
