// Makes the tables of the shipped boards and their cores, which tell the planner what it must know of compiled code without a compiler:
// device/boards/BOARD/functions.json and crates/target/cores/CORE/functions.json. The addon is built with them. `tinytrain board` does the same for a
// board of the user's.
//
//   node scripts/device-tables.mjs [BOARD...]            writes them
//   node scripts/device-tables.mjs [BOARD...] --check    says whether they are stale; skipped where the compiler is another one
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fail, has, read, root } from './lib/shell.mjs';

const dist = process.env.TINYTRAIN_DIST ?? `${root}/dist`;
const { makeTables, tableText } = await import(`${dist}/device/tables.js`);

const boardFolder = board => `${root}/device/boards/${board}`;
const boardFile = board => `${boardFolder(board)}/functions.json`;
const coreFile = core => `${root}/crates/target/cores/${core}/functions.json`;

const args = process.argv.slice(2);
const check = args.includes('--check');
const asked = args.filter(arg => !arg.startsWith('--'));
const shipped = readdirSync(`${root}/device/boards`).filter(name => existsSync(`${boardFolder(name)}/board.toml`));
const boards = asked.length > 0 ? asked : shipped.sort();

/** Why the committed tables cannot be compared here; undefined where they can. */
function notComparable() {
  if (!has('arm-none-eabi-gcc')) return 'arm-none-eabi-gcc is not installed';
  const here = read('arm-none-eabi-gcc', ['--version']).split('\n')[0];
  const files = boards.map(boardFile).filter(existsSync);
  const made = files.map(file => JSON.parse(readFileSync(file, 'utf8')).compiler).find(compiler => compiler !== here);
  return made && `they were made by ${made}; this is ${here}`;
}

function deliver(file, text) {
  const old = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (old === text) return;
  if (check) fail(`${file} is stale`, ['node scripts/device-tables.mjs, then build the addon']);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  console.log(`wrote ${file}`);
}

const skip = check && notComparable();
if (skip) {
  console.log(`skipped: the tables of boards and cores are not compared, because ${skip}`);
} else {
  const cores = new Map();
  for (const name of boards) {
    const { board, own, core } = await makeTables(boardFolder(name));
    deliver(boardFile(name), tableText(own));
    const text = tableText(core);
    const other = cores.get(board.core);
    if (other && other.text !== text)
      fail(`boards ${other.name} and ${name} make different tables of core ${board.core}`);
    cores.set(board.core, { name, text });
    deliver(coreFile(board.core), text);
  }
}
