/** The application that sees, learns and remembers by itself: `make APP=product`. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { promises as fs } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { compile, loadImages, loadModel, type Program, type SampleSet, Session } from '#tinytrain';
import { viewOf } from '#tinytrain/data/images/camera.js';
import { readElf } from '#tinytrain/device/elf.js';
import { firmwareFiles, writeFirmware } from '#tinytrain/device/firmware.js';
import { measure } from '#tinytrain/device/linked.js';
import { startQemu } from '#tinytrain/device/qemu.js';
import { standInOf } from '#tinytrain/device/stand-in.js';
import { productMemory } from '#tinytrain/report/applications.js';
import { has } from '../helpers/firmware.js';
import { temporary, write } from '../helpers/folder.js';
import { Line, seen } from '../helpers/line.js';
import { patient } from '../helpers/progress.js';

const inQemu = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test.serial : test.serial.skip;
const board = standInOf('stm32f746');
/** 1600 millionths, as the application has them. */
const rate = { mantissa: 0x68db8bac, exponent: -9 };
const rates = { head: rate, backbone: rate };
const fitting = { camera: { columns: 80, rows: 60 }, resize: 'cover' } as const;

/** A firmware for frames of a camera. */
async function product(t: ExecutionContext, feed: 'whole' | 'rows', replay: number) {
  const root = await temporary(t);
  const frames = ['a', 'b'].flatMap(label =>
    Array.from({ length: 5 }, (_, i) => [`${label}/${feed}-${i}.rgb565`, randomBytes(2 * 80 * 60)] as const),
  );
  await write(join(root, 'frames'), Object.fromEntries(frames));
  const model = await loadModel();
  const data = await loadImages(join(root, 'frames'), model.input, fitting);
  const program = await compile(model, data, { scheme: 'bias:2', feed, replay, store: true, target: 'stm32f746' });
  const folder = join(root, 'firmware');
  await writeFirmware(folder, await firmwareFiles(program, data, 'stm32f746'));
  return { folder, program, data };
}

/** Shows it all training frames, teaches it some, resets it, and shows it all again: every word is that of the host. */
async function life(t: ExecutionContext, elf: string, program: Program, { train }: SampleSet, fed: () => void) {
  const socket = join(await temporary(t), 'qmp');
  const { emulator } = board;
  const more = ['-qmp', `unix:${socket},server=on,wait=off`];
  const connection = await startQemu(elf, emulator, { line: 'uart', more });
  t.teardown(() => connection.close());
  const line = new Line(connection);
  const frames = await Promise.all(train.names.map(name => fs.readFile(name)));
  const session = new Session(program);
  const see = async (i: number) => t.is(await line.ask('F', frames[i] ?? ''), seen(session, train.sample(i)));
  t.is(await line.heard(), 'ready: step 0, 2 classes');
  await see(0);
  await see(1);
  let steps = 0;
  for (const label of [1, 0, 1]) {
    await connection.write(Buffer.from(String(label)));
    for (let i = 0; i < 4; i++) {
      const { predicted } = session.trainStep(train.sample(i), label, rates);
      steps += session.replayStep(rates) ? 2 : 1;
      t.is(await line.ask('F', frames[i] ?? ''), `learned ${label}, took it for ${predicted}`);
      fed();
    }
  }
  t.is(await line.ask('.'), `saved: step ${steps}, save 1`);
  const [, at, used] = /^step (\d+), bytes of stack used: (\d+)$/.exec(await line.ask('?')) ?? [];
  t.is(at, String(steps));
  t.true(Number(used) > 0 && Number(used) <= program.memoryOn(board.name).stack - 24, `${used} bytes of stack`);
  // What was learned and not saved is lost: the button is still held when the power fails.
  await connection.write(Buffer.from('1'));
  t.regex(await line.ask('F', frames[5] ?? ''), /^learned 1/);
  const monitor = createConnection(socket);
  await once(monitor, 'data');
  for (const execute of ['qmp_capabilities', 'system_reset']) {
    monitor.write(JSON.stringify({ execute }));
    await once(monitor, 'data');
  }
  monitor.destroy();
  t.is(await line.heard(), `ready: step ${steps}, 2 classes`);
  for (let i = 0; i < train.size; i++) await see(i);
  // A class that is none, and noise, change nothing.
  t.is(await line.ask('zF', frames[0] ?? ''), `error 3 at step ${steps}`);
  t.true((await line.ask('.\n #?')).startsWith(`step ${steps}, bytes of stack used: `));
}

for (const [feed, replay] of [
  ['whole', 0],
  ['rows', 0],
  ['whole', 3],
] as const) {
  const what = `${feed}, ${replay} kept samples`;
  inQemu(`a product sees, learns from a button, saves, and still knows after a reset: ${what}`, async t => {
    const fed = patient(t);
    const { folder, program, data } = await product(t, feed, replay);
    for (const name of [board.name, 'stm32f746']) {
      execFileSync('make', ['-s', '-C', folder, `BOARD=${name}`, 'APP=product', 'STRICT=1'], { stdio: 'pipe' });
      fed();
    }
    const linked = measure(readElf(await fs.readFile(join(folder, 'build/stm32f746-product/firmware.elf'))));
    t.is(linked.sram, productMemory(program, viewOf(fitting, program.input)).sram.total);
    t.true(linked.flash <= program.memory.flash.total);
    await life(t, join(folder, 'build', `${board.name}-product`, 'firmware.elf'), program, data, fed);
  });
}
