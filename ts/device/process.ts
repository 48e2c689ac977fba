import { type ChildProcess, type ChildProcessByStdio, type SpawnOptions, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { messageOf, TinytrainError } from '../errors.js';
import type { Connection } from './connection.js';

/** Number of lines of stderr shown in an error. */
const SHOWN = 5;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Running child processes: none may outlive this process. */
const running = new Set<ChildProcess>();
/** Those that lead a group of processes: the compilers that make has started, and what these have. */
const leading = new WeakSet<ChildProcess>();
let watching = false;

function end(child: ChildProcess, signal: NodeJS.Signals): void {
  if (!leading.has(child) || child.pid === undefined) {
    child.kill(signal);
    return;
  }
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended.
  }
}

function endAll(): void {
  for (const child of running) end(child, 'SIGKILL');
}

function watch(child: ChildProcess): void {
  if (!watching) process.once('exit', endAll);
  watching = true;
  running.add(child);
  child.once('close', () => running.delete(child));
}

/** How a command is started. */
export type StartOptions = Pick<SpawnOptions, 'cwd' | 'env' | 'shell'> & { readonly signal?: AbortSignal | undefined };

/**
 * Starts a command that starts others, as make and a shell do. The signal ends all of them, so that none goes on to write; the command has ended when it is
 * closed.
 */
export function startGroup(
  command: string,
  args: readonly string[],
  { signal, ...options }: StartOptions,
): ChildProcessByStdio<null, Readable, Readable> {
  // Windows has no groups.
  const detached = process.platform !== 'win32';
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached });
  if (detached) leading.add(child);
  watch(child);
  const stop = () => end(child, 'SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  child.once('close', () => signal?.removeEventListener('abort', stop));
  if (signal?.aborted) stop();
  return child;
}

function started(command: string, child: Child): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', error =>
      reject(new TinytrainError('PROCESS_FAILED', `${command}: ${messageOf(error)}`, { command }, error)),
    );
  });
}

/**
 * Milliseconds for which the threads of a process were ready to run but did not run: the second number of Linux's `schedstat`. 0 on other systems, and after
 * the process has ended.
 */
function starved(pid: number | undefined): number {
  try {
    const tasks = `/proc/${pid}/task`;
    const waited = (task: string) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
    return readdirSync(tasks).reduce((sum, task) => sum + waited(task), 0);
  } catch {
    return 0;
  }
}

/** A process whose stdin and stdout are the connection to a device. It ends with the connection, and with this process. */
export class ProcessConnection implements Connection {
  readonly name: string;
  readonly #child: Child;
  readonly #ended: Promise<string>;
  #stderr = '';

  private constructor(name: string, child: Child) {
    this.name = name;
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', text => {
      this.#stderr = (this.#stderr + text).slice(-4000);
    });
    // A process that has ended closes its stdin; later writes are lost, which `onEnd` reports.
    child.stdin.on('error', () => {});
    this.#ended = new Promise(resolve => {
      child.once('close', (code, signal) => resolve(this.#why(code, signal)));
    });
  }

  /** Starts a process. */
  static async start(name: string, command: string, args: readonly string[]): Promise<ProcessConnection> {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    watch(child);
    const line = new ProcessConnection(name, child);
    try {
      await started(command, child);
    } catch (error) {
      running.delete(child);
      throw error;
    }
    return line;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#child.stdin.write(bytes, error => (error ? reject(error) : resolve()));
    });
  }

  onData(listener: (bytes: Buffer) => void): void {
    this.#child.stdout.on('data', listener);
  }

  onEnd(listener: (why: string) => void): void {
    this.#ended.then(listener);
  }

  starvedMs(): number {
    return starved(this.#child.pid);
  }

  /** Ends the process's stdin, and waits for the process to end by itself. */
  async end(): Promise<void> {
    this.#child.stdin.end();
    await this.#ended;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#ended;
  }

  #why(code: number | null, signal: NodeJS.Signals | null): string {
    const last = this.#stderr.trim().split('\n').slice(-SHOWN).join('\n');
    const how = signal ? `stopped by ${signal}` : `exit code ${code}`;
    return last === '' ? how : `${how}: ${last}`;
  }
}
