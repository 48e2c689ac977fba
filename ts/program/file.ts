import { TinytrainError } from '../errors.js';
import { readAny } from '../files.js';
import { native, wait } from '../native.js';
import { Program, type ProgramFacts } from './program.js';

/** Name of the Program file in the folder of a run, a search or a firmware. */
export const programFile = 'program.ttp';

/** Throws if a Program is not the one named in the record beside it. */
function checkSame({ record, classes, input }: Program, hash: string, path: string): void {
  const { shape, scale, zero } = record.input;
  const fits =
    record.hash === hash &&
    record.classes === classes.length &&
    scale === input.scale &&
    zero === input.zero &&
    [input.height, input.width, input.channels].every((size, i) => size === shape[i]);
  if (fits) return;
  throw new TinytrainError('PROGRAM_DIFFERS', `${path}: not the program that the record beside it names`, {
    path,
    program: record.hash,
    expected: hash,
  });
}

/**
 * Reads a Program. Throws `FILE_ERROR` if there is none, `PROGRAM_BROKEN` for a damaged file, `PROGRAM_VERSION` for one of another format,
 * `PROGRAM_DIFFERS` for one whose hash or inputs are not the expected ones.
 */
export async function readProgram(path: string, hash: string, facts: ProgramFacts): Promise<Program> {
  const bytes = await readAny(path, 'the program cannot be read');
  const program = new Program(await wait(() => native().Program.load(bytes), path), facts);
  checkSame(program, hash, path);
  return program;
}
