/** Facts about an error for a program to read. `help` holds lines for a person: what would mend it. */
export interface ErrorDetails {
  readonly help?: readonly string[];
  readonly [fact: string]: unknown;
}

/** Every error that the package raises on purpose: `code` is stable, `message` one sentence that says what and where. */
export class TinytrainError extends Error {
  /** Stable, in capitals, such as `IMAGE_CORRUPT`. */
  readonly code: string;
  /** Facts: paths, indices, sizes. */
  readonly details: ErrorDetails;

  constructor(code: string, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'TinytrainError';
    this.code = code;
    this.details = details;
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The system's code of a failed file operation, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** What a failed file operation means, in words. */
export function fileError(error: unknown, path: string, doing: string): TinytrainError {
  const reasons: Record<string, string> = {
    ENOENT: 'it does not exist',
    ENOTDIR: 'a part of the path is not a folder',
    EISDIR: 'it is a folder',
    EACCES: 'permission denied',
    EPERM: 'not permitted',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
  };
  const code = systemCode(error);
  const reason = (code && reasons[code]) ?? messageOf(error);
  return new TinytrainError('FILE_ERROR', `${path}: ${doing}: ${reason}`, { path, system: code }, error);
}

/** The error of an operation that an `AbortSignal` stopped. */
export function aborted(what: string): TinytrainError {
  return new TinytrainError('ABORTED', `${what} was stopped`);
}
