import { join } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { prepareBoard, tableFiles } from '../device/tables.js';
import { TinytrainError } from '../errors.js';
import { readIfThere } from '../files.js';
import { optionsOf } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';

interface Arguments {
  folder: string;
  check: boolean;
  json: boolean;
}

/** Throws if the compiler would create different tables. */
async function check(folder: string, signal: AbortSignal): Promise<void> {
  const { files, compiler } = await tableFiles(folder, signal);
  for (const name of ['functions.json', 'core.json']) {
    if ((await readIfThere(join(folder, name))) === files.get(name)) continue;
    throw new TinytrainError('TABLES_STALE', `${join(folder, name)} is not what ${compiler} creates`, {
      path: join(folder, name),
      help: [`npx tinytrain board ${folder}`],
    });
  }
}

async function work({ folder, check: only, json }: Arguments, signal: AbortSignal): Promise<void> {
  if (only) {
    await check(folder, signal);
    if (json) printJson({ folder, stale: false });
    else print(`${folder}: the tables are what the compiler makes`);
    return;
  }
  const { board, compiler, files } = await prepareBoard(folder, signal);
  if (json) {
    printJson({ folder, board: board.name, core: board.core, compiler, written: [...files.keys()] });
    return;
  }
  print(
    `board      ${board.name}, ${board.title}`,
    `core       ${board.core}${files.has('core.json') ? ', with its own table' : ''}`,
    `compiler   ${compiler}`,
    `wrote      ${[...files.keys()].join(', ')}`,
    `next: npx tinytrain compile --target ${folder}`,
  );
}

/** `board` */
export const board = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'board <folder>',
  describe:
    'prepare your own board: compile its code and measure the functions, so that `compile --target` can plan for it',
  builder: (args: Argv<object>) =>
    args
      .positional('folder', { describe: 'folder with a board.toml', type: 'string', demandOption: true })
      .options(optionsOf('board'))
      .example(
        'npx tinytrain board boards/my-board',
        'then: npx tinytrain compile --target boards/my-board',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
