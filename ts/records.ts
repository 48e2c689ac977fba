import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { ErrorCode } from './codes.js';
import { TinytrainError } from './errors.js';
import { readIfThere, replaceFile } from './files.js';
import { checked, jsonOf, sha256 } from './json.js';
import { version } from './version.js';

/** A kind of record that is stored on disk. */
export interface RecordKind<T> {
  /** Name of the kind, such as `record of a training run`. */
  readonly name: string;
  /** Version of its layout: incremented whenever an older version could not read it. */
  readonly format: number;
  /** Error code for a record that is damaged or has another format. */
  readonly code: ErrorCode;
  readonly schema: v.GenericSchema<unknown, T>;
  /** The error for a record that another version of tinytrain wrote, if only the same version can continue from it. */
  readonly otherVersion?: ((place: string, made: string) => TinytrainError) | undefined;
}

/** A record as read from disk. */
export interface Stored<T> {
  readonly content: T;
  /** The version of tinytrain that wrote it. */
  readonly tinytrain: string;
  /** SHA-256 over the rest of the file's content. */
  readonly sha256: string;
}

/** The first fields of a record in any version. */
const layout = v.looseObject({ format: v.number(), tinytrain: v.optional(v.string()) });
const seal = v.looseObject({ format: v.unknown(), tinytrain: v.string(), sha256 });

function hashOf(fields: unknown): string {
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex');
}

/** A record as the fields of a JSON file: its content, and a hash that reveals later changes. */
export function sealed<T extends object>({ format }: RecordKind<T>, content: T): T & { readonly sha256: string } {
  const fields = { format, tinytrain: version, ...content };
  return { ...fields, sha256: hashOf(fields) };
}

/** Throws for a record written by another version, before it is reported as damaged. */
function checkVersion<T>(made: v.InferOutput<typeof layout>, place: string, kind: RecordKind<T>): void {
  const { name, format, code, otherVersion } = kind;
  if (otherVersion && made.tinytrain !== undefined && made.tinytrain !== version) {
    throw otherVersion(place, made.tinytrain);
  }
  if (made.format === format) return;
  throw new TinytrainError(
    code,
    `${place}: a ${name} of format ${made.format}; this version of tinytrain reads format ${format}`,
    { path: place, format: made.format, expected: format },
  );
}

/** Reads a record from its JSON text. `place` names the file in messages. Throws if the record is damaged, was modified, or has another format. */
export function opened<T>(text: string, place: string, kind: RecordKind<T>): Stored<T> {
  const { name, code, schema } = kind;
  const errorOf = (why: string, cause?: unknown) =>
    new TinytrainError(code, `${place}: not a valid ${name}: ${why}`, { path: place }, cause);
  const found = jsonOf(text, errorOf);
  const made = v.safeParse(layout, found);
  if (made.success) checkVersion(made.output, place, kind);
  const { sha256: hash, ...fields } = checked(found, seal, errorOf);
  // The text too: a digit or a space in another form would leave the content as it is.
  const asWritten = [JSON.stringify(found), `${JSON.stringify(found, null, 2)}\n`].includes(text);
  if (hashOf(fields) !== hash || !asWritten) throw errorOf('it was changed after tinytrain wrote it');
  return { content: checked(fields, schema, errorOf), tinytrain: fields.tinytrain, sha256: hash };
}

/** The record in a file; undefined if the file does not exist. */
export async function readRecord<T>(path: string, kind: RecordKind<T>): Promise<Stored<T> | undefined> {
  const text = await readIfThere(path);
  return text === undefined ? undefined : opened(text, path, kind);
}

/** The text of a record in a file of its own. */
export function recordText<T extends object>(kind: RecordKind<T>, content: T): string {
  return `${JSON.stringify(sealed(kind, content), null, 2)}\n`;
}

/** Writes a record to a file atomically. */
export function writeRecord<T extends object>(path: string, kind: RecordKind<T>, content: T): Promise<void> {
  return replaceFile(path, recordText(kind, content));
}
