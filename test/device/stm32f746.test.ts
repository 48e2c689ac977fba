/**
 * The STM32F746's board code, executed: the firmware as it is flashed, unchanged, in Unicorn, on a chip whose registers are ST's (`stm32f746/chip.py`).
 */
import { spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { SampleSet } from '#tinytrain';
import { Device } from '#tinytrain/device/device.js';
import { encode, requests } from '#tinytrain/device/frames.js';
import { ProcessConnection } from '#tinytrain/device/process.js';
import { startQemu } from '#tinytrain/device/qemu.js';
import { standInOf } from '#tinytrain/device/stand-in.js';
import { build } from '#tinytrain/device/toolchain.js';
import { stateOf, trainStep } from '../helpers/device.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { temporary } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';
import { hasPackages, python } from '../helpers/python.js';

const root = new URL('../../', import.meta.url);
const chip = fileURLToPath(new URL('test/device/stm32f746/chip.py', root));
function missing(): string | undefined {
  if (!has('make', 'arm-none-eabi-gcc', 'qemu-system-arm')) return 'make, arm-none-eabi-gcc or qemu-system-arm';
  return hasPackages('unicorn', 'elftools')
    ? undefined
    : 'the Python packages unicorn and pyelftools (node scripts/setup-device.mjs)';
}

function onChip(title: string, implementation: (t: ExecutionContext) => Promise<void>): void {
  test.serial(title, async t => {
    const lacks = missing();
    if (lacks === undefined) return implementation(t);
    t.log(`left out: it needs ${lacks}`);
    t.pass();
  });
}

const STEPS = 2;

/** Two training steps, the state after them, and two predictions, one of them from pixels that the device quantises. */
async function exercise(device: Device, data: SampleSet, fed: () => void) {
  const steps = [];
  for (let step = 0; step < STEPS; step++) {
    steps.push(await trainStep(device, data, step, STEPS));
    fed();
  }
  const pixels = Uint8Array.from(data.test.sample(1), q => q + 128);
  return {
    steps,
    saved: await device.save(),
    predicted: [await device.predict(data.test.sample(0)), await device.predict(pixels, 'rgb888')],
  };
}

onChip('the F746 firmware trains and predicts as in QEMU, at 216 MHz from its crystal, and without one', async t => {
  const fed = patient(t);
  const { folder, program, data } = await testFirmware(t);
  const elf = await build(folder, 'stm32f746');
  const standIn = standInOf('stm32f746');
  const qemu = new Device(await startQemu(await build(folder, standIn.name), standIn.emulator));
  const wanted = await exercise(qemu, data, fed).finally(() => qemu.close());

  for (const crystal of [true, false]) {
    const report = join(await temporary(t), 'report.json');
    const options = ['--report', report, ...(crystal ? [] : ['--no-crystal'])];
    const line = await ProcessConnection.start('Unicorn', python, [chip, elf, ...options]);
    const ended = new Promise<string>(resolve => line.onEnd(resolve));
    const device = new Device(line);
    const identity = await device.identify();
    t.is(identity.board, 'stm32f746');
    t.is(identity.program, program.hash);
    t.is(identity.clockHz, 216_000_000);
    t.deepEqual(await exercise(device, data, fed), wanted);
    const { trainTicks, stackPainted } = await device.counters();
    t.true(trainTicks > 0, 'the cycle counter runs');
    t.true(stackPainted > 0 && stackPainted <= identity.stackBytes - 8);
    await line.end();
    t.is(await ended, 'exit code 0');
    await device.close();
    const { baud, ...set } = JSON.parse(await fs.readFile(report, 'utf8'));
    t.deepEqual(set, {
      clockHz: 216e6,
      crystal,
      waitStates: 7,
      overDrive: true,
      accelerator: false,
      instructionCache: true,
      dataCache: true,
      vectors: 0x08000000,
      cycleCounter: true,
      flashOperations: 0,
    });
    t.true(Math.abs(baud / 115_200 - 1) < 0.001);
  }
});

/** A firmware in Unicorn; what its flash holds is in a file, and a new run is what follows a reset. */
async function start(elf: string, flash: string, ...options: string[]) {
  const report = `${flash}.json`;
  const line = await ProcessConnection.start('Unicorn', python, [
    chip,
    elf,
    '--flash',
    flash,
    '--report',
    report,
    ...options,
  ]);
  const ended = new Promise<string>(resolve => line.onEnd(resolve));
  const device = new Device(line, { timeoutMs: 600_000 });
  const stop = async () => {
    await line.end();
    const why = await ended;
    await device.close();
    return { why, operations: JSON.parse(await fs.readFile(report, 'utf8')).flashOperations as number };
  };
  return { device, ended, stop };
}

onChip(
  'the F746 firmware keeps what it learned in sectors 1 to 4, and has it again after a reset or a power cut',
  async t => {
    const fed = patient(t);
    const { folder, program, data } = await testFirmware(t, { store: true });
    const elf = await build(folder, 'stm32f746');
    const flash = join(await temporary(t), 'flash');
    const { store } = program.memory;
    const words = (store?.recordBytes ?? 0) / 4;

    const first = await start(elf, flash);
    const initial = await stateOf(first.device);
    await trainStep(first.device, data, 0, STEPS);
    const kept = await first.device.keep();
    t.is(kept.steps, 1);
    t.deepEqual(
      await first.stop(),
      { why: 'exit code 0', operations: 3 + words },
      'the three sectors of the first part are erased, each word programmed once',
    );
    fed();

    const second = await start(elf, flash);
    t.deepEqual(await stateOf(second.device), kept, 'it goes on');
    await trainStep(second.device, data, 1, STEPS);
    const next = await second.device.keep();
    t.is(next.steps, 2);
    t.deepEqual(
      await second.stop(),
      { why: 'exit code 0', operations: 1 + words },
      'the newest record is completed once more',
    );
    fed();

    // The power fails within a save: before its last word the state before it is found again, behind that word the new one.
    const content = await fs.readFile(flash);
    t.true(
      content.subarray(96 << 10).every(byte => byte === 0xff),
      'the second part is not used yet',
    );
    for (const [operation, steps] of [
      [2, 2],
      [3, 2],
      [1 + Math.floor(words / 2), 2],
      [1 + words - 1, 2],
      [1 + words, 3],
    ] as const) {
      await fs.writeFile(flash, content);
      const cut = await start(elf, flash, '--cut', String(operation));
      await trainStep(cut.device, data, 2, STEPS);
      await t.throwsAsync(cut.device.keep(), { code: 'DEVICE_GONE' });
      t.is(await cut.ended, 'exit code 0');
      await cut.device.close();
      const after = await start(elf, flash);
      const found = await stateOf(after.device);
      t.is(found.steps, steps, `a cut at operation ${operation}`);
      if (steps === 2) t.deepEqual(found, next);
      t.is((await after.device.keep()).steps, steps);
      t.is((await after.stop()).why, 'exit code 0');
      fed();
    }

    // A cut while a sector is erased, and the state of another program: nothing is found.
    await fs.rm(flash);
    const erasing = await start(elf, flash, '--cut', '1');
    await t.throwsAsync(erasing.device.keep(), { code: 'DEVICE_GONE' });
    await erasing.device.close();
    const empty = await start(elf, flash);
    t.deepEqual(await stateOf(empty.device), initial);
    await empty.stop();
    await fs.writeFile(flash, content);
    const other = await testFirmware(t, { store: true, seed: 1 });
    const another = await start(await build(other.folder, 'stm32f746'), flash);
    t.is((await stateOf(another.device)).steps, 0, 'a state of another program is not taken');
    t.is((await another.stop()).why, 'exit code 0');
  },
);

onChip('a flash driver that a chip would not accept ends the run with its reason', async t => {
  const fed = patient(t);
  const { folder } = await testFirmware(t, { store: true });
  const path = join(folder, 'board/stm32f746/flash.c');
  const good = await fs.readFile(path, 'utf8');
  for (const [from, to, why] of [
    ['0x45670123u', '0x45670124u', 'a wrong key'],
    ['2u << 8', '1u << 8', '32 bits at a time'],
    ['        SCB_DCIMVAC = line;', '        ;', 'data cache may hold'],
    ['{{1, 3}, {4, 1}}', '{{5, 3}, {4, 1}}', 'holds the program'],
    ['    while (FLASH_SR & BUSY) {', '    while (0) {', 'busy'],
    ['    FLASH_CR = operation;', '    FLASH_CR = operation & ~1u;', 'does not program'],
    ['#define FLASH_CR REG(0x40023c10u)', '#define FLASH_CR REG(0x40023c18u)', 'no register at 0x40023c18'],
  ] as const) {
    const broken = good.replace(from, to);
    t.not(broken, good, from);
    await fs.writeFile(path, broken);
    const elf = await build(folder, 'stm32f746');
    const input = Buffer.concat([1, 2].map(sequence => encode(requests.keep, sequence, Buffer.alloc(0))));
    const { status, stderr } = spawnSync(python, [chip, elf], { input });
    t.is(status, 1, from);
    t.true(stderr.toString().includes(why), `${from}: ${stderr}`);
    fed();
  }
});

onChip('a start-up that a chip would not survive ends the run with its reason', async t => {
  const fed = patient(t);
  const { folder } = await testFirmware(t);
  const path = join(folder, 'board/stm32f746/board.c');
  const good = await fs.readFile(path, 'utf8');
  for (const [from, to, why] of [
    ['FLASH_ACR = 7u', 'FLASH_ACR = 6u', 'wait states'],
    ['PWR_CR1 |= OVERDRIVE_SWITCH;', '', 'over-drive'],
    ['432u << 6', '450u << 6', "PLL's oscillator"],
    ['RCC_APB2ENR |= 1u << 4;', '', 'USART1EN'],
    ['7u << 28', '6u << 28', 'AFRL7'],
    ['GPIOA_MODER REG(0x40020000u)', 'GPIOA_MODER REG(0x40020800u)', 'no register at 0x40020800'],
    ['SCB_DCISW = set << 5 | way << 30;', ';', 'data cache'],
  ] as const) {
    const broken = good.replace(from, to).replace(/wait_for\(&(PWR_CSR1, OVERDRIVE_SWITCH|FLASH_ACR).*/g, '');
    t.not(broken, good, from);
    await fs.writeFile(path, broken);
    const elf = await build(folder, 'stm32f746');
    const { status, stderr } = spawnSync(python, [chip, elf], { input: encode(requests.identify, 1, Buffer.alloc(0)) });
    t.is(status, 1, from);
    t.true(stderr.toString().includes(why), `${from}: ${stderr}`);
    fed();
  }
});
