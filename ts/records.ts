import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { TinytrainError } from './errors.js';
import { readIfThere, replaceFile } from './files.js';
import { checked, jsonOf, sha256 } from './json.js';
import { version } from './version.js';

/** A kind of record that is kept on disk. */
export interface RecordKind<T> {
  /** Such as `record of a training run`. */
  readonly name: string;
  /** Number of its layout: counted up whenever an older version could not read it. */
  readonly format: number;
  /** Code of the error for one that is damaged or of another format. */
  readonly code: string;
  readonly schema: v.GenericSchema<unknown, T>;
  /** The error for a record that another version of tinytrain wrote, where only the same version can go on with it. */
  readonly otherVersion?: ((place: string, made: string) => TinytrainError) | undefined;
}

/** A record as it was read. */
export interface Stored<T> {
  readonly content: T;
  /** The version of tinytrain that wrote it. */
  readonly tinytrain: string;
  /** SHA-256 over everything else that the file says. */
  readonly sha256: string;
}

/** What any version of a record says first. */
const layout = v.looseObject({ format: v.number(), tinytrain: v.optional(v.string()) });
const seal = v.looseObject({ format: v.unknown(), tinytrain: v.string(), sha256 });

function hashOf(fields: unknown): string {
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex');
}

/** A record as the fields of a JSON file: its content, and a hash by which a later change shows. */
export function sealed<T extends object>({ format }: RecordKind<T>, content: T): T & { readonly sha256: string } {
  const fields = { format, tinytrain: version, ...content };
  return { ...fields, sha256: hashOf(fields) };
}

/** Refuses what another version wrote, before it is called damaged. */
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

/** A record from its JSON text. `place` says where that was. Refused if it is damaged, was changed by hand, or has another format. */
export function opened<T>(text: string, place: string, kind: RecordKind<T>): Stored<T> {
  const { name, code, schema } = kind;
  const refuse = (why: string, cause?: unknown) =>
    new TinytrainError(code, `${place}: not a valid ${name}: ${why}`, { path: place }, cause);
  const found = jsonOf(text, refuse);
  const made = v.safeParse(layout, found);
  if (made.success) checkVersion(made.output, place, kind);
  const { sha256: hash, ...fields } = checked(found, seal, refuse);
  if (hashOf(fields) !== hash) throw refuse('it was changed after tinytrain wrote it');
  return { content: checked(fields, schema, refuse), tinytrain: fields.tinytrain, sha256: hash };
}

/** The record in a file; undefined where there is no file. */
export async function readRecord<T>(path: string, kind: RecordKind<T>): Promise<Stored<T> | undefined> {
  const text = await readIfThere(path);
  return text === undefined ? undefined : opened(text, path, kind);
}

/** Writes a record into a file, whole or not at all; returns its SHA-256. */
export async function writeRecord<T extends object>(path: string, kind: RecordKind<T>, content: T): Promise<string> {
  const record = sealed(kind, content);
  await replaceFile(path, `${JSON.stringify(record, null, 2)}\n`);
  return record.sha256;
}
