import { TinytrainError } from '../errors.js';
import { readAny } from '../files.js';
import { thousands } from '../format.js';
import { priceFactor, tooLarge } from '../model/price.js';
import { native, type ProgramHandle, recordOf, wait } from '../native.js';
import { Program, type ProgramFacts } from './program.js';

/** Name of the Program file in the folder of a run, a search or a firmware. */
export const programFile = 'program.ttp';

/** The largest Program that is run, ten times what a model may take: elements and products of a training step, bytes of memory, steps. */
const most = { work: 2e10, bytes: 2 ** 28, steps: 20_000 } as const;

/** Throws `PROGRAM_TOO_LARGE` for a Program that would take too much to run, by what its file says. `bytes` are those of its memory. */
export function checkPrice(handle: ProgramHandle, bytes: number, path: string): void {
  const times = priceFactor();
  const terms = recordOf<{ readonly terms: readonly number[] }[]>(handle.work());
  const work = terms.reduce((sum, { terms: each }) => sum + each.reduce((a, b) => a + b, 0), 0);
  const price = { work, bytes, steps: terms.length };
  const what = { work: 'elements and products in a training step', bytes: 'bytes of memory', steps: 'steps' };
  for (const name of ['steps', 'bytes', 'work'] as const) {
    if (price[name] <= times * most[name]) continue;
    throw new TinytrainError(
      'PROGRAM_TOO_LARGE',
      `${path}: ${thousands(price[name])} ${what[name]}; at most ${thousands(times * most[name])} are run`,
      { path, price, most, help: [tooLarge('a program')] },
    );
  }
}

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
 * `PROGRAM_DIFFERS` for one whose hash or inputs are not the expected ones, `PROGRAM_TOO_LARGE` for one that would take too much.
 */
export async function readProgram(path: string, hash: string, facts: ProgramFacts): Promise<Program> {
  const bytes = await readAny(path, 'the program cannot be read');
  const program = new Program(await wait(() => native().Program.load(bytes), path), facts);
  checkSame(program, hash, path);
  const { arenaBytes, stateBytes } = program.record;
  checkPrice(program.handle, arenaBytes + stateBytes, path);
  return program;
}
