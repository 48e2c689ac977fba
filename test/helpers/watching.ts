import { type ChildProcess, spawn } from 'node:child_process';
import { get, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import type { ExecutionContext } from 'ava';
import type { LiveData } from '#tinytrain/report/live.js';
import { command } from './cli.js';
import { guarded } from './guard.js';

/** A command that shows in the browser what it does. */
export interface Watching {
  readonly process: ChildProcess;
  /** Where it shows it. */
  readonly url: string;
  /** What it has written so far. */
  readonly said: () => string;
  /** Ends when it has ended, with its exit code. */
  readonly ended: Promise<number | null>;
}

/** Starts a command with `--watch`, and waits until it says where. */
export async function watching(t: ExecutionContext, args: readonly string[], cwd: string): Promise<Watching> {
  const child = spawn(process.execPath, [command, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  guarded(t, child);
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  const ended = new Promise<number | null>(resolve => child.on('close', resolve));
  const url = new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', chunk => {
        said += chunk;
        const [found] = /http:\/\/127\.0\.0\.1:\d+\//.exec(said) ?? [];
        if (found !== undefined) resolve(found);
      });
    }
    ended.then(() => reject(new Error(`it has said no address: ${said}`)));
  });
  return { process: child, url: await url, said: () => said, ended };
}

/** An answer over HTTP. */
export interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** Asks over HTTP. */
export function ask(url: string, headers: OutgoingHttpHeaders = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers, method, agent: false }, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', chunk => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
      response.on('error', reject);
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** What a live page holds as JSON. */
export function dataOf(page: string): LiveData {
  return JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)?.[1] ?? '');
}

/** Looks as a browser does, at each piece of news, until the last. Returns every page that it saw. */
export function look(url: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const pages: string[] = [];
    const events = get(`${url}events`, { agent: false }, response => {
      response.setEncoding('utf8');
      let last = Promise.resolve();
      response.on('data', (chunk: string) => {
        const isEnd = chunk.includes('event: end');
        last = last
          .then(async () => {
            pages.push((await ask(url)).text);
            if (!isEnd) return;
            resolve(pages);
            events.destroy();
          })
          .catch(reject);
      });
    });
    events.on('error', reject);
  });
}
