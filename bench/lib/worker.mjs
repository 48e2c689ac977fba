/** A process that is timed: it describes itself, then answers each line with a line of JSON. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export class Worker {
  /** Starts a command on the given cores only, and waits until it is ready. */
  static async start(name, [command, ...args], { cores, env = {} }) {
    const pinned = cores === undefined ? [command, ...args] : ['taskset', '-c', cores.join(','), command, ...args];
    const worker = new Worker(
      name,
      spawn(pinned[0], pinned.slice(1), { env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env } }),
      cores ?? [],
    );
    try {
      worker.about = await worker.next();
    } catch (error) {
      await worker.close();
      throw error;
    }
    return worker;
  }

  constructor(name, child, cores) {
    this.name = name;
    this.child = child;
    this.cores = cores;
    this.stderr = '';
    child.stderr.setEncoding('utf8').on('data', text => {
      this.stderr = (this.stderr + text).slice(-4000);
    });
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.failed = new Promise((_, reject) => {
      child.on('error', error => reject(new Error(`${name}: ${error.message}`)));
      child.stdin.on('error', () => {});
    });
    this.failed.catch(() => {});
    this.ended = new Promise(resolve => child.on('close', resolve).on('error', resolve));
  }

  async next() {
    const { value, done } = await Promise.race([this.lines.next(), this.failed]);
    if (done) throw new Error(`${this.name} ended before it answered\n${this.stderr.trimEnd()}`);
    return JSON.parse(value);
  }

  ask(line) {
    this.child.stdin.write(`${line}\n`);
    return this.next();
  }

  /** Nanoseconds for which its threads have waited for a core so far; 0 if the system does not report it. */
  waited() {
    try {
      const tasks = `/proc/${this.child.pid}/task`;
      return readdirSync(tasks).reduce(
        (sum, task) => sum + Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[1]),
        0,
      );
    } catch {
      return 0;
    }
  }

  /** Milliseconds of CPU time so far, including threads that have ended. */
  worked() {
    try {
      const fields = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
      return 10 * (Number(fields[11]) + Number(fields[12]));
    } catch {
      return 0;
    }
  }

  /** Ends the process and waits until it has exited. */
  async close() {
    this.child.stdin.end();
    await this.ended;
  }
}
