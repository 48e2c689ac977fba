import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { TinytrainError, train } from '#tinytrain';
import { readElf } from '#tinytrain/device/elf.js';
import { firmwareFiles, writeFirmware } from '#tinytrain/device/firmware.js';
import { placementOf } from '#tinytrain/device/placement.js';
import { runFirmware } from '#tinytrain/device/run.js';
import { build } from '#tinytrain/device/toolchain.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { temporary } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';

const toolchain = has('make', 'arm-none-eabi-gcc');
const onArm = toolchain ? test : test.skip;
const inQemu = toolchain && has('qemu-system-arm') ? test : test.skip;

for (const scheme of ['bias:4,18:1/4,15:1/8', 'head']) {
  inQemu(`in QEMU every bit is the host's: ${scheme}`, async t => {
    const onProgress = patient(t);
    const { folder } = await testFirmware(t, { scheme });
    const result = await runFirmware(folder, { steps: 5, predictions: 4, onProgress });
    t.true(result.equal, JSON.stringify(result.difference));
    t.is(result.checksum, result.hostChecksum);
    t.is(result.linked?.sram, result.planned.sram);
    t.true((result.linked?.flash ?? 0) <= result.planned.flash);
    t.true((result.stackPainted ?? 0) > 0);
    t.true((result.stackPainted ?? 0) <= (result.linked?.stack ?? 0));
    t.true((result.instructions?.inference ?? 0) > 0);
    const again = await runFirmware(folder, { steps: 5, predictions: 4, onProgress });
    t.deepEqual(again.instructions, result.instructions);
  });
}

inQemu('over the emulated UART it is the same', async t => {
  const onProgress = patient(t);
  const { folder } = await testFirmware(t);
  const result = await runFirmware(folder, { steps: 2, predictions: 1, line: 'uart', onProgress });
  t.true(result.equal);
});

inQemu('a firmware of a run starts with what was learned, and goes on with the bits of the host', async t => {
  const onProgress = patient(t);
  const { program, data } = await testFirmware(t, { scheme: 'bias:4,18:1/4' });
  const { state } = await train(program, data, { steps: 30 });
  const learned = program.withState(state);
  const folder = join(await temporary(t), 'firmware');
  await writeFirmware(folder, await firmwareFiles(learned, data, 'stm32f746'));
  const result = await runFirmware(folder, { steps: 4, predictions: 4, onProgress });
  t.true(result.equal, JSON.stringify(result.difference));
  t.is(result.checksum, result.hostChecksum);
  t.is(result.program, learned.hash);
  t.is(result.linked?.sram, result.planned.sram);
  t.true((result.linked?.flash ?? 0) <= result.planned.flash);
  t.is(learned.memory.sram.total, program.memory.sram.total);
});

onArm('the ELF for the F746: vectors, regions, symbols', async t => {
  patient(t);
  const { folder } = await testFirmware(t);
  const elf = readElf(await fs.readFile(await build(folder, 'stm32f746')));
  const vectors = elf.content('.vectors');
  t.is(elf.section('.vectors')?.address ?? -1, 0x08000000);
  t.is(vectors.length, 4 * (16 + 98));
  t.is(vectors.readUInt32LE(0), elf.symbol('tt_stack_high')?.value ?? -1);
  t.is(vectors.readUInt32LE(4), elf.entry);
  t.is(elf.entry & 1, 1);
  t.is(elf.section('.stack')?.address, 0x20000000);
  for (const { name, address, bytes } of elf.sections.filter(section => section.allocated)) {
    const inside = (low: number, size: number) => address >= low && address + bytes <= low + size;
    t.true(inside(0x08000000, 1 << 20) || inside(0x20000000, 320 << 10), name);
  }
  const forbidden = /^_?(malloc|free|calloc|realloc|sbrk|printf|sprintf|snprintf|puts)(_r)?$|^__aeabi_[df]/;
  t.deepEqual(
    elf.symbols.map(({ name }) => name).filter(name => forbidden.test(name)),
    [],
  );
});

onArm('a symbol that must not be linked fails the build', async t => {
  patient(t);
  const { folder } = await testFirmware(t);
  const path = join(folder, 'app/port.c');
  const text = await fs.readFile(path, 'utf8');
  const floating = 'return (uint32_t)((double)tt_board_clock() * 1.5);';
  await fs.writeFile(path, text.replace('return tt_board_clock();', floating));
  const error = await t.throwsAsync(build(folder, 'stm32f746'), { instanceOf: TinytrainError });
  t.is(error?.code, 'BUILD_FAILED');
  t.regex(JSON.stringify(error?.details.help), /__aeabi_dmul/);
});

onArm('memory that does not fit fails the link and says by how much', async t => {
  patient(t);
  const { folder } = await testFirmware(t);
  const path = join(folder, 'app/main.c');
  const text = await fs.readFile(path, 'utf8');
  const greedy = `${text}\nvolatile uint8_t greedy[300000];\nvoid tt_fault(void)\n{\n    for (;;)\n        greedy[0]++;\n}\n`;
  await fs.writeFile(path, greedy);
  const error = await t.throwsAsync(build(folder, 'stm32f746'), { instanceOf: TinytrainError });
  t.is(error?.code, 'LINK_OVERFLOW');
  t.is(error?.details['region'], 'RAM');
});

test('an unknown board is named with those there are', async t => {
  const { folder } = await testFirmware(t);
  const error = await t.throwsAsync(build(folder, 'stm32f4'), { instanceOf: TinytrainError });
  t.is(error?.code, 'BOARD_UNKNOWN');
  t.regex(error?.message ?? '', /stm32f746/);
});

test.serial('tools that are missing are named, with how to get them', async t => {
  const { folder } = await testFirmware(t);
  const path = process.env['PATH'];
  process.env['PATH'] = await temporary(t);
  try {
    const error = await t.throwsAsync(runFirmware(folder), { instanceOf: TinytrainError });
    t.is(error?.code, 'COMPILER_MISSING');
    t.regex(error?.details.help?.join('\n') ?? '', /gcc-arm-none-eabi/);
  } finally {
    process.env['PATH'] = path;
  }
});

onArm(
  'on the F746 the stack lies in DTCM, the arena begins there, and it is said which scratch memory does not',
  async t => {
    patient(t);
    const { folder, program } = await testFirmware(t);
    const elf = readElf(await fs.readFile(await build(folder, 'stm32f746')));
    const dtcm = { origin: 0x20000000, length: 64 << 10 };
    const placement = placementOf(elf, dtcm, program.record);
    t.deepEqual(placement?.stack.origin, dtcm.origin);
    t.is(placement?.context.origin, dtcm.origin + (placement?.stack.length ?? 0));
    t.is(placement?.scratch.fast, placement?.scratch.steps);
    t.true((placement?.scratch.steps ?? 0) > 0);
    const small = placementOf(elf, { ...dtcm, length: 4096 }, program.record);
    t.true((small?.scratch.beyond.length ?? 0) > 0);
    t.true(small?.scratch.beyond.every(({ address, bytes }) => address + bytes > dtcm.origin + 4096));
  },
);

onArm('a stack that would leave DTCM fails the link', async t => {
  patient(t);
  const { folder } = await testFirmware(t);
  const error = await t.throwsAsync(build(folder, 'stm32f746', undefined, { STACK_EXTRA: '70000' }), {
    instanceOf: TinytrainError,
  });
  t.is(error?.code, 'BUILD_FAILED');
  t.regex(JSON.stringify(error?.details.help), /the stack reaches beyond the fast memory/);
});
