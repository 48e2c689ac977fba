import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type * as Addon from './addon.js';
import { type ErrorDetails, messageOf, TinytrainError } from './errors.js';

export type {
  ActivationCache,
  Checkpoint,
  Compiler,
  Control,
  Dataset,
  EvaluationResult,
  FloatModel,
  HeadRow,
  MelTables,
  Model,
  Predictions,
  Program,
  Program as ProgramHandle,
  SampleStore,
  Session,
  Trainer,
  TrainingResult,
} from './addon.js';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** The beginning of the addon's file name on this platform, without the name of the C library. */
const prefix = `tinytrain.${process.platform}-${process.arch}`;

let addon: typeof Addon | undefined;

function candidates(): string[] {
  return readdirSync(folder).filter(name => name.startsWith(prefix) && name.endsWith('.node'));
}

/** The addon. Loaded by the first call, so that `doctor` and `--help` work without it. */
export function native(): typeof Addon {
  if (addon) return addon;
  const require = createRequire(import.meta.url);
  const failures: string[] = [];
  for (const name of candidates()) {
    try {
      addon = require(`./${name}`) as typeof Addon;
      return addon;
    } catch (error) {
      failures.push(`${name}: ${messageOf(error).split('\n')[0]}`);
    }
  }
  const why = failures.length > 0 ? failures.join('; ') : `there is no ${prefix}*.node in ${folder}`;
  throw new TinytrainError('ADDON_MISSING', `the native part of tinytrain cannot be loaded: ${why}`, {
    platform: process.platform,
    arch: process.arch,
    help: ['in a clone: `npm run build`, which needs Rust', 'otherwise: install tinytrain again on this platform'],
  });
}

/** The path of the addon file that is, or would be, loaded. */
export function addonPath(): string | undefined {
  return candidates()
    .map(name => folder + name)
    .at(0);
}

/** Errors that have nothing to do with the file that is worked on. */
const PLACELESS = ['KERNELS_UNAVAILABLE', 'ABORTED', 'MEMORY'];

/** Errors of the addon arrive as one JSON text; anything else is passed on unchanged. */
export function translated(error: unknown, place?: string): unknown {
  if (!(error instanceof Error) || error instanceof TinytrainError) return error;
  try {
    const { code, message, details } = recordOf<{ code: string; message: string; details: ErrorDetails }>(
      error.message,
    );
    const placed = place === undefined || PLACELESS.includes(code) ? message : `${place}: ${message}`;
    return new TinytrainError(code, placed, details, error);
  } catch {
    // What napi says where it cannot convert an argument, or of a panic.
    return new TinytrainError('INTERNAL', `internal: ${error.message}`, {}, error);
  }
}

/** Calls into the addon. `place` is prepended to the message of an error. */
export function call<T>(work: () => T, place?: string): T {
  try {
    return work();
  } catch (error) {
    throw translated(error, place);
  }
}

/** A record that the addon passes as JSON text. It comes from the same version of this package, so its type need not be checked. */
export function recordOf<T>(text: string): T {
  return JSON.parse(text) as T;
}

/** Awaits a promise of the addon. */
export async function wait<T>(work: () => Promise<T>, place?: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translated(error, place);
  }
}

/** Interval of progress reports, in milliseconds. */
const TICK_MS = 100;

/** Options of a long native operation. */
export interface Watch {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

/**
 * Runs a long native operation with its own control: an aborted signal stops it before its next step, and a timer reads its progress from a counter,
 * so that native code never calls JavaScript. A listener that throws stops the operation, which then rejects with what was thrown. An error of the code
 * `ABORTED` has the signal's reason as its cause.
 */
export async function watched<T>(
  work: (control: Addon.Control) => Promise<T>,
  { signal, onProgress }: Watch,
  place?: string,
): Promise<T> {
  const control = new (native().Control)();
  const abort = () => control.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  let failure: { readonly error: unknown } | undefined;
  const tell = () => {
    try {
      if (!failure) onProgress?.({ done: control.done, total: control.total });
    } catch (error) {
      failure = { error };
      abort();
    }
  };
  const timer = onProgress ? setInterval(tell, TICK_MS) : undefined;
  try {
    const result = await wait(() => work(control), place);
    tell();
    if (failure) throw failure.error;
    return result;
  } catch (error) {
    if (failure) throw failure.error;
    const isStop = signal?.aborted && error instanceof TinytrainError && error.code === 'ABORTED';
    throw isStop ? new TinytrainError('ABORTED', error.message, error.details, signal.reason) : error;
  } finally {
    clearInterval(timer);
    signal?.removeEventListener('abort', abort);
  }
}
