/**
 * The STM32F746's board code, executed: the firmware as it is flashed, unchanged, in Unicorn, on a chip whose registers are ST's (`stm32f746/chip.py`).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, promises as fs } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { ratesOfStep, type SampleSet } from '#tinytrain';
import { Device } from '#tinytrain/device/device.js';
import { encode, requests } from '#tinytrain/device/frames.js';
import { ProcessConnection } from '#tinytrain/device/process.js';
import { startQemu } from '#tinytrain/device/qemu.js';
import { standInOf } from '#tinytrain/device/stand-in.js';
import { build } from '#tinytrain/device/toolchain.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { temporary } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';

const root = new URL('../../', import.meta.url);
const chip = fileURLToPath(new URL('test/device/stm32f746/chip.py', root));
/** Python with Unicorn: where `scripts/setup-device.mjs` puts it, or the one on the PATH. */
const python = ['target/python/bin/python3', 'target/python/Scripts/python.exe']
  .map(path => fileURLToPath(new URL(path, root)))
  .concat('python3')
  .find(path => path === 'python3' || existsSync(path)) as string;

function missing(): string | undefined {
  if (!has('make', 'arm-none-eabi-gcc', 'qemu-system-arm')) return 'make, arm-none-eabi-gcc or qemu-system-arm';
  if (!has(python)) return 'Python';
  const { status } = spawnSync(python, ['-c', 'import unicorn, elftools'], { stdio: 'ignore' });
  return status === 0 ? undefined : 'the Python packages unicorn and pyelftools (node scripts/setup-device.mjs)';
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
    const rates = ratesOfStep({ head: 0.01, backbone: 0.01 }, STEPS, step);
    steps.push(await device.train(data.train.sample(step), data.train.labels[step] ?? 0, rates));
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
    });
    t.true(Math.abs(baud / 115_200 - 1) < 0.001);
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
