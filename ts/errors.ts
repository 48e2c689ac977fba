import type { ErrorCode } from './codes.js';

/** Machine-readable details of an error. `help` contains lines for people that tell how to proceed. */
export interface ErrorDetails {
  readonly help?: readonly string[];
  readonly [fact: string]: unknown;
}

/** Every error that the package raises deliberately: `code` is stable, and `message` is one sentence that says what is wrong and where. */
export class TinytrainError extends Error {
  /** Stable code in capitals, such as `IMAGE_CORRUPT`; `docs/errors.md` lists them. */
  readonly code: ErrorCode;
  /** Details such as paths, indices and sizes. */
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    // As Node names what a signal has stopped.
    this.name = code === 'ABORTED' ? 'AbortError' : 'TinytrainError';
    this.code = code;
    this.details = details;
  }
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The system's code for a failed file operation, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  ELOOP: 'it is a link that leads back to itself',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
};

/** The reason for a failed file operation, in words. */
export function reasonOf(error: unknown): string {
  return reasons[systemCode(error) ?? ''] ?? messageOf(error);
}

/** The error of a failed file operation. */
export function fileError(error: unknown, path: string, doing: string): TinytrainError {
  return new TinytrainError(
    'FILE_ERROR',
    `${path}: ${doing}: ${reasonOf(error)}`,
    { path, system: systemCode(error) },
    error,
  );
}

/** The error of an operation that was stopped by an `AbortSignal`; the signal's reason is its `cause`. */
export function aborted(what: string, signal?: AbortSignal): TinytrainError {
  return new TinytrainError('ABORTED', `${what} was stopped`, {}, signal?.reason);
}
