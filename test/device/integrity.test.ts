import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { promises as fs } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { type SampleSet, TinytrainError } from '#tinytrain';
import { Device } from '#tinytrain/device/device.js';
import { readElf } from '#tinytrain/device/elf.js';
import { startQemu } from '#tinytrain/device/qemu.js';
import { standInOf } from '#tinytrain/device/stand-in.js';
import { build } from '#tinytrain/device/toolchain.js';
import { stateOf, trainStep as stepOf } from '../helpers/device.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { temporary } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const onHost = has('cc') ? test : test.skip;
const FLIPS = 10_000;

onHost('a flipped bit is noticed: every one of the state, and those tried of saved states and constants', async t => {
  const fed = patient(t);
  const { folder } = await testFirmware(t);
  const program = join(folder, 'flips');
  const folders = ['model', 'kernels', 'protocol'].map(name => join(folder, name));
  const lists = await Promise.all(
    folders.slice(0, 2).map(async from => (await fs.readdir(from)).map(file => join(from, file))),
  );
  const sources = [...lists.flat().filter(path => path.endsWith('.c')), join(folder, 'protocol/tt_crc.c')];
  const include = folders.map(path => `-I${path}`);
  const harness = join(root, 'test/device/integrity/flips.c');
  execFileSync('cc', [
    '-std=gnu11',
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    ...include,
    ...sources,
    harness,
    '-o',
    program,
  ]);
  fed();
  const { status, stdout } = spawnSync(program, [String(FLIPS)], { encoding: 'utf8' });
  t.is(status, 0, stdout);
  const [, state, saved, constants] = /state (\d+) saved (\d+) constants (\d+)/.exec(stdout) ?? [];
  t.true(Number(state) > FLIPS && Number(saved) === FLIPS && Number(constants) === FLIPS, stdout);
  t.log(stdout.trim());
});

const inQemu = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test.serial : test.serial.skip;
const { name: board, emulator } = standInOf('stm32f746');

/** A debugger of QEMU's machine that changes memory; the machine stands still meanwhile. */
async function flipBit(socket: string, address: number, bit: number): Promise<void> {
  const line = createConnection(socket);
  await once(line, 'connect');
  let text = '';
  line.on('data', chunk => {
    text += chunk.toString('latin1');
  });
  const ask = async (command: string, answer: RegExp): Promise<string> => {
    text = '';
    const sum = [...Buffer.from(command)].reduce((total, byte) => (total + byte) & 255, 0);
    line.write(`$${command}#${sum.toString(16).padStart(2, '0')}`);
    for (;;) {
      // The first packet says that the machine has stopped.
      const found = /\$((?!T)[^#]*)#../.exec(text)?.[1];
      if (found !== undefined) {
        line.write('+');
        if (!answer.test(found)) throw new Error(`the debugger answers ${command} with '${found}'`);
        return found;
      }
      await once(line, 'data');
    }
  };
  const at = address.toString(16);
  const old = Number.parseInt(await ask(`m${at},1`, /^[0-9a-f]{2}$/), 16);
  await ask(`M${at},1:${(old ^ (1 << bit)).toString(16).padStart(2, '0')}`, /^OK$/);
  await ask('D', /^OK$/);
  line.destroy();
}

/** A firmware in QEMU whose memory a test can change. */
async function start(t: ExecutionContext, elf: string) {
  const socket = join(await temporary(t), 'debugger');
  const line = await startQemu(elf, emulator, { line: 'uart', more: ['-gdb', `unix:${socket},server=on,wait=off`] });
  t.teardown(() => line.close());
  return { socket, device: new Device(line, { timeoutMs: 60_000 }) };
}

const trainStep = (device: Device, data: SampleSet, step: number) => stepOf(device, data, step, 100);

inQemu(
  'a device does not train a state that something else has changed, but goes on from the one in its flash',
  async t => {
    const fed = patient(t);
    const { folder, program, data } = await testFirmware(t, { store: true });
    const path = await build(folder, board);
    const elf = readElf(await fs.readFile(path));
    const { socket, device } = await start(t, path);
    await trainStep(device, data, 0);
    const kept = await device.keep();
    t.deepEqual(await device.check(), { state: true, constants: true, restored: 0 });
    fed();
    const { stateOffset, stateBytes } = program.record;
    const first = (elf.symbol('app')?.value ?? 0) + stateOffset;
    await trainStep(device, data, 1);
    await flipBit(socket, first, 7);
    const untrained = await t.throwsAsync(trainStep(device, data, 2), { instanceOf: TinytrainError });
    t.regex(untrained?.message ?? '', /a bit of the trainable state had changed in memory/);
    t.deepEqual(await stateOf(device), kept, 'what was kept');
    fed();
    const flips = 20;
    for (let i = 0; i < flips; i++) {
      await flipBit(socket, first + ((i * 7919) % stateBytes), i % 8);
      const unsaved = await t.throwsAsync(i % 2 ? device.keep() : device.save(), { instanceOf: TinytrainError });
      t.regex(unsaved?.message ?? '', /a bit of the trainable state had changed in memory/);
      t.deepEqual(await stateOf(device), kept);
    }
    fed();
    await flipBit(socket, first, 0);
    t.deepEqual(await device.check(), { state: false, constants: true, restored: flips + 2 });
    t.deepEqual(await device.check(), { state: true, constants: true, restored: flips + 2 });

    const constant = elf.symbol(`tt_${program.record.constants[0]?.name}`)?.value ?? 0;
    await flipBit(socket, constant, 3);
    t.false((await device.check()).constants);
    for (const request of [() => trainStep(device, data, 1), () => device.keep(), () => device.save()]) {
      const refused = await t.throwsAsync(request(), { instanceOf: TinytrainError });
      t.regex(refused?.message ?? '', /a bit of the constants in flash has changed/);
    }
    await flipBit(socket, constant, 3);
    t.deepEqual(await device.check(), { state: true, constants: true, restored: flips + 2 });
    t.is((await trainStep(device, data, 1)).steps, kept.steps + 1, 'with the right constants it goes on');
  },
);

inQemu('a stack that is too small faults; the device leaves a record, starts anew and says so', async t => {
  const fed = patient(t);
  const { folder, data } = await testFirmware(t, { store: true });
  const script = join(folder, `board/${board}/board.ld`);
  const text = await fs.readFile(script, 'utf8');
  const short = text.replace(/TT_STACK_BYTES = (\d+) /, (_, bytes) => `TT_STACK_BYTES = ${Number(bytes) - 192} `);
  t.not(short, text);
  await fs.writeFile(script, short);
  const { device } = await start(t, await build(folder, board));
  const kept = await device.keep();
  fed();
  // The fault resets the device, so nobody answers; what it says next is that of a new start.
  await t.throwsAsync(
    Promise.race([trainStep(device, data, 0), new Promise((_, fail) => setTimeout(fail, 20_000, new Error('silent')))]),
  );
  fed();
  const { fault, ...health } = await device.check();
  t.deepEqual(health, { state: true, constants: true, restored: 0 });
  t.is(fault?.count, 1);
  t.not(fault?.cause, 0);
  t.deepEqual(await stateOf(device), kept, 'what was in flash is there again');
});
