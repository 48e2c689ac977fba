import { createHash } from 'node:crypto';
import type { EmitInput } from './input.js';

/** The number of the manifest's layout. */
export const manifestFormat = 1;

/** `manifest.json`: what a firmware folder was made from and consists of. */
export interface Manifest {
  readonly format: number;
  readonly tinytrain: string;
  readonly program: string;
  readonly target: string;
  readonly classes: readonly string[];
  /** What the Program was compiled from, enough to do it again. */
  readonly origin: Readonly<Record<string, unknown>>;
  readonly memory: EmitInput['memory'];
  readonly stack: number;
  /** SHA-256 of the generated and copied files; those of `app/` are not among them. */
  readonly files: Readonly<Record<string, string>>;
}

/** SHA-256 of a text. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The manifest of some files. */
export function manifest(input: EmitInput, files: ReadonlyMap<string, string>): Manifest {
  const { version, record, target, classNames, origin, memory } = input;
  const ours = [...files].filter(([path]) => !path.startsWith('app/'));
  return {
    format: manifestFormat,
    tinytrain: version,
    program: record.hash,
    target,
    classes: classNames,
    origin,
    memory,
    stack: memory.stack,
    files: Object.fromEntries(ours.map(([path, text]) => [path, sha256(text)])),
  };
}
