import { loadAddon, platform } from '#host';
import type * as Addon from './addon.js';
import type { ErrorCode } from './codes.js';
import { type ErrorDetails, messageOf, TinytrainError } from './errors.js';

export type {
  ActivationCache,
  Augmentation as NativeAugmentation,
  Checkpoint,
  Compiler,
  Control,
  Dataset,
  EvaluationResult,
  FloatModel,
  HeadRow,
  Model,
  Predictions,
  Program,
  Program as ProgramHandle,
  SampleStore,
  Session,
  Trainer,
  TrainingResult,
} from './addon.js';

let addon: ReturnType<typeof loadAddon> | undefined;

/** What a loader's error says was tried, the last attempt first. */
function attempts(error: unknown): readonly string[] {
  const found: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) found.push(messageOf(at).split('\n')[0] ?? '');
  return found;
}

/** The addon. Loaded by the first call, so that `doctor` and `--help` work without it. */
export function native(): typeof Addon {
  if (addon) return addon;
  try {
    addon = loadAddon();
    return addon;
  } catch (error) {
    if (error instanceof TinytrainError) throw error;
    // The first is the loader's advice to those who install from the registry.
    const [first, ...tried] = attempts(error);
    const why = tried.length > 0 ? tried.join('; ') : first;
    const details = {
      ...platform,
      help: [
        'in a clone: `npm run build`, which needs Rust',
        'otherwise: install tinytrain again on this platform, with its optional dependencies',
      ],
    };
    throw new TinytrainError('ADDON_MISSING', `the native part of tinytrain cannot be loaded: ${why}`, details, error);
  }
}

/** Whether the addon is the WebAssembly build. The system's file locks are out of its reach. */
export function isWasm(): boolean {
  native();
  return addon?.__napiBindingTarget !== 'native';
}

/** Errors that have nothing to do with the file that is worked on. */
const PLACELESS = ['KERNELS_UNAVAILABLE', 'ABORTED', 'MEMORY'];

/** Errors of the addon arrive as one JSON text; anything else is passed on unchanged. */
export function translated(error: unknown, place?: string): unknown {
  if (!(error instanceof Error) || error instanceof TinytrainError) return error;
  try {
    const { code, message, details } = recordOf<{ code: ErrorCode; message: string; details: ErrorDetails }>(
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

/** Training samples as they are. */
export const unchanged: Addon.Augmentation = {
  flip: false,
  shift: 0,
  noise: 0,
  row: 0,
  crop: 0,
  jitter: 0,
  tables: new Int8Array(),
};
