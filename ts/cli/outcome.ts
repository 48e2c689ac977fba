import { join, relative } from 'node:path';
import { TinytrainError } from '../errors.js';

/** Exit codes: what the user can mend, wrong usage, a defect of ours, stopped. */
export const exitCodes = { failure: 1, usage: 2, defect: 3, interrupted: 130 } as const;

function exitCode(error: TinytrainError): number {
  if (error.code === 'USAGE' || error.code === 'OPTION_INVALID') return exitCodes.usage;
  if (error.code === 'ABORTED') return exitCodes.interrupted;
  return error.code === 'INTERNAL' ? exitCodes.defect : exitCodes.failure;
}

/** Says what went wrong, and returns the exit code. With `json` the one object on stdout is the error. */
export function fail(error: unknown, json: boolean): number {
  const known = error instanceof TinytrainError;
  const shown = known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  const help = known ? (error.details.help ?? []) : ['this is a defect of tinytrain; please report it'];
  const word = known && error.code === 'ABORTED' ? 'stopped' : 'error';
  process.stderr.write(`${[`${word}: ${shown}`, ...help.map(line => `  ${line}`)].join('\n')}\n`);
  if (json) {
    const { help: _, ...details } = known ? error.details : {};
    printJson({ error: { code: known ? error.code : 'INTERNAL', message: shown, details } });
  }
  return known ? exitCode(error) : exitCodes.defect;
}

/** The one object on stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** The folder of a new run or search, where none is named: after its command and the time. */
export function newFolder(command: string): string {
  const now = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return join('runs', `${command}-${now}`);
}

/** A path as it is typed from here. */
export function shown(path: string): string {
  const from = relative('', path);
  return from === '' || from.startsWith('..') ? path : from;
}

/** Text on stdout. */
export function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Turns Ctrl-C into an abort; a second one ends the process at once. */
export class Interrupt {
  readonly #controller = new AbortController();
  readonly #listener = (): void => {
    if (this.#controller.signal.aborted) process.exit(exitCodes.interrupted);
    this.#controller.abort();
  };

  /** The signal that Ctrl-C aborts. From here on Ctrl-C does not end the process by itself. */
  get signal(): AbortSignal {
    if (process.listenerCount('SIGINT', this.#listener) === 0) {
      process.on('SIGINT', this.#listener);
      process.on('SIGTERM', this.#listener);
    }
    return this.#controller.signal;
  }

  /** Gives Ctrl-C back. */
  dispose(): void {
    process.off('SIGINT', this.#listener);
    process.off('SIGTERM', this.#listener);
  }
}
