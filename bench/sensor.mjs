// Feeds the raw values of a folder's test recordings to a firmware in QEMU (`make APP=sensor`), first as it is, and compares every answer with the host's prediction of
// the samples that the host reads.
//
//   node bench/sensor.mjs FIRMWARE
//
// FIRMWARE is a folder of `compile --run` whose run was trained with recordings.
import { execFileSync } from 'node:child_process';
import { readTable } from '../dist/data/series/table.js';
import { openFirmware, targetOf } from '../dist/device/firmware.js';
import { instructionsOf, startQemu } from '../dist/device/qemu.js';
import { standInOf } from '../dist/device/stand-in.js';
import { call, native } from '../dist/native.js';
import { reopenProgram, reopenSource } from '../dist/origin.js';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node bench/sensor.mjs FIRMWARE');
  process.exit(2);
}
/** Of the clock by which the application counts. */
const CLOCK_HZ = 25_000_000;

const manifest = await openFirmware(folder);
const program = await reopenProgram(folder, manifest.origin, manifest.program);
const source = await reopenSource(manifest.origin, folder);
const { test } = await source.read(program.input);
const board = standInOf(targetOf(folder, manifest));
execFileSync('make', ['-s', '-C', folder, `BOARD=${board.name}`, 'APP=sensor'], { stdio: 'inherit' });
const connection = await startQemu(`${folder}/build/${board.name}-sensor/firmware.elf`, board.emulator, {
  line: 'uart',
});

let text = '';
let wake = () => {};
connection.onData(bytes => {
  text += Buffer.from(bytes).toString('latin1');
  wake();
});
async function heard() {
  for (;;) {
    const end = text.indexOf('\n');
    if (end >= 0) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      return line;
    }
    await new Promise(resolve => {
      wake = resolve;
    });
  }
}

const { front } = source.origin;
const columns = program.input.series;
const session = call(() => new (native().Session)(program.handle));
console.log(await heard());
let [equal, right, windows] = [0, 0, 0];
const paths = [...new Set(test.names.map(name => name.replace(/:\d+$/, '')))];
for (const path of paths) {
  const { values, rows } = await readTable(path);
  const unit = i => (front ? 1 : columns[i % columns.length].unit);
  const raw = Int16Array.from(values, (value, i) => Math.floor(value / unit(i) + 0.5));
  const head = Buffer.from('R\0\0', 'latin1');
  head.writeUInt16LE(rows, 1);
  await connection.write(Buffer.concat([head, Buffer.from(raw.buffer), Buffer.from('E')]));
  for (const [i, name] of test.names.entries()) {
    if (name !== path && !name.startsWith(`${path}:`)) continue;
    const label = call(() => session.predict(test.sample(i)));
    const percent = Math.round((call(() => session.scores())[label] * 100) / 2 ** 31);
    const said = await heard();
    windows++;
    if (said === `class ${label}, ${percent} %`) equal++;
    else console.error(`${name}: ${said}; the host: class ${label}, ${percent} %`);
    if (said.startsWith(`class ${test.labels[i]},`)) right++;
  }
}
await connection.write(Buffer.from('?'));
const asked = await heard();
await connection.close();
const ticks = Number(/ticks of a row: (\d+)/.exec(asked)[1]);
console.log(
  `${paths.length} recordings, ${windows} windows: ${equal} answers equal, ${((100 * right) / windows).toFixed(1)} % right`,
);
console.log(`${instructionsOf(ticks, CLOCK_HZ, board.emulator)} instructions for a row; ${asked}`);
if (equal !== windows) process.exit(1);
