import { join, relative } from 'node:path';
import { TinytrainError } from '../errors.js';

/** Exit codes: an error that the user can fix, wrong usage, a bug in tinytrain, stopped. */
export const exitCodes = { failure: 1, usage: 2, defect: 3, interrupted: 130 } as const;

function exitCode(error: TinytrainError): number {
  if (error.code === 'USAGE' || error.code === 'OPTION_INVALID') return exitCodes.usage;
  if (error.code === 'ABORTED') return exitCodes.interrupted;
  return error.code === 'INTERNAL' ? exitCodes.defect : exitCodes.failure;
}

/** Prints the error and returns the exit code. With `json`, the error is the one object on stdout. */
export function fail(error: unknown, json: boolean): number {
  const known = error instanceof TinytrainError;
  const shown = known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  const help = known ? (error.details.help ?? []) : ['this is a bug in tinytrain; please report it'];
  const word = known && error.code === 'ABORTED' ? 'stopped' : 'error';
  // What was stopped in the middle of computing says it itself.
  const said = word === 'stopped' && shown.startsWith(word) ? shown : `${word}: ${shown}`;
  process.stderr.write(`${[said, ...help.map(line => `  ${line}`)].join('\n')}\n`);
  if (json) {
    const { help: _, ...details } = known ? error.details : {};
    printJson({ error: { code: known ? error.code : 'INTERNAL', message: shown, details } });
  }
  return known ? exitCode(error) : exitCodes.defect;
}

/** Prints the one JSON object on stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** The default folder of a new run or search, named after its command and the time. */
export function newFolder(command: string): string {
  const now = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return join('runs', `${command}-${now}`);
}

/** A path as one would type it in the current folder. */
export function shown(path: string): string {
  const from = relative('', path);
  return from === '' || from.startsWith('..') ? path : from;
}

/** Prints text on stdout. */
export function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Turns Ctrl-C into an abort; a second Ctrl-C ends the process immediately. */
export class Interrupt {
  readonly #controller = new AbortController();
  readonly #listener = (): void => {
    if (this.#controller.signal.aborted) process.exit(exitCodes.interrupted);
    this.#controller.abort();
  };

  /** The signal that Ctrl-C aborts. From now on, Ctrl-C no longer ends the process by itself. */
  get signal(): AbortSignal {
    if (process.listenerCount('SIGINT', this.#listener) === 0) {
      process.on('SIGINT', this.#listener);
      process.on('SIGTERM', this.#listener);
    }
    return this.#controller.signal;
  }

  /** Restores the default behaviour of Ctrl-C. */
  dispose(): void {
    process.off('SIGINT', this.#listener);
    process.off('SIGTERM', this.#listener);
  }
}
