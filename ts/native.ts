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

/** What a file of this kind is called on this platform, without the C library's name. */
const prefix = `tinytrain.${process.platform}-${process.arch}`;

let addon: typeof Addon | undefined;

function candidates(): string[] {
  return readdirSync(folder).filter(name => name.startsWith(prefix) && name.endsWith('.node'));
}

/** The native side. Loaded at the first call, so that `doctor` and `--help` work without it. */
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

/** The path of the addon file that is loaded, or would be. */
export function addonPath(): string | undefined {
  return candidates()
    .map(name => folder + name)
    .at(0);
}

/** Errors of the native side come as one JSON text; anything else is passed on as it is. */
export function translated(error: unknown, place?: string): unknown {
  if (!(error instanceof Error) || error instanceof TinytrainError) return error;
  try {
    const { code, message, details } = recordOf<{ code: string; message: string; details: ErrorDetails }>(
      error.message,
    );
    // Which kernels run is no matter of the file at hand.
    const placed = place === undefined || code === 'KERNELS_UNAVAILABLE' ? message : `${place}: ${message}`;
    return new TinytrainError(code, placed, details, error);
  } catch {
    return error;
  }
}

/** Calls into the native side. `place` stands before the message of an error. */
export function call<T>(work: () => T, place?: string): T {
  try {
    return work();
  } catch (error) {
    throw translated(error, place);
  }
}

/** A record that the native side hands over as JSON text. It is made by the same version of this package, so its type is taken at its word. */
export function recordOf<T>(text: string): T {
  return JSON.parse(text) as T;
}

/** Awaits the native side. */
export async function wait<T>(work: () => Promise<T>, place?: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translated(error, place);
  }
}

/** How often a watcher is told of progress. */
const TICK_MS = 100;

/** What a watched piece of native work takes. */
export interface Watch {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

/**
 * Runs long native work with a control of its own: an aborted signal stops it before its next step, and progress is read from a counter on a timer,
 * so that no JavaScript is ever called from inside.
 */
export async function watched<T>(
  work: (control: Addon.Control) => Promise<T>,
  { signal, onProgress }: Watch,
): Promise<T> {
  const control = new (native().Control)();
  const abort = () => control.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  const tell = () => onProgress?.({ done: control.done, total: control.total });
  const timer = onProgress ? setInterval(tell, TICK_MS) : undefined;
  try {
    const result = await wait(() => work(control));
    tell();
    return result;
  } finally {
    clearInterval(timer);
    signal?.removeEventListener('abort', abort);
  }
}
