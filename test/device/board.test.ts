import { promises as fs } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { compile, defaultImages, loadModel, TinytrainError, targets } from '#tinytrain';
import { firmwareFiles, writeFirmware } from '#tinytrain/device/firmware.js';
import { runFirmware } from '#tinytrain/device/run.js';
import { standInOf } from '#tinytrain/device/stand-in.js';
import { prepareBoard, tableFiles } from '#tinytrain/device/tables.js';
import { boardPlace } from '#tinytrain/program/compiler.js';
import { limitsPlanOf } from '#tinytrain/search/plan.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { temporary } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';

const onArm = has('make', 'arm-none-eabi-gcc') ? test.serial : test.serial.skip;
const inQemu = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test.serial : test.serial.skip;

/** A shipped board's folder under another name, changed. */
async function ownBoard(t: ExecutionContext, shipped: string, name: string, change: (toml: string) => string) {
  const folder = join(await temporary(t), name);
  await fs.cp(fileURLToPath(new URL(`../../device/boards/${shipped}`, import.meta.url)), folder, { recursive: true });
  await fs.rm(join(folder, 'functions.json'));
  const path = join(folder, 'board.toml');
  await fs.writeFile(path, change(await fs.readFile(path, 'utf8')));
  return folder;
}

async function program() {
  const model = await loadModel();
  const data = await defaultImages(model.input, { trainPerClass: 3, testPerClass: 1 });
  return { data, of: (scheme: string, target?: string) => compile(model, data, { scheme, target }) };
}

/** Bounds of code differ a little from one making of a core's table to the next; all else is exact. */
const CODE = 'code of kernels and board';

test('an F746 Program takes the bytes that it took before boards were folders', async t => {
  const { of } = await program();
  const bytes = async (scheme: string) => {
    const { memory } = await of(scheme, 'stm32f746');
    const exact = memory.items.filter(({ name }) => name !== CODE);
    return Object.fromEntries(exact.map(item => [item.name, item.bytes]));
  };
  const head = {
    arena: 45056,
    head: 1960,
    counters: 48,
    protocol: 64,
    stack: 872,
    constants: 199352,
    'initial state': 1960,
    parameters: 2124,
    'code of the model': 4430,
  };
  t.deepEqual(await bytes('head'), head);
  t.deepEqual(await bytes('bias:4,18:1/4,15:1/8'), {
    ...head,
    'trained weights': 7776,
    'residual bits': 3888,
    'trained biases': 2976,
    stack: 912,
    constants: 203536,
    'initial state': 9736,
    parameters: 2792,
    'code of the model': 7572,
  });
});

test('a C file that board.toml names and that is not there is one sentence', async t => {
  const folder = await ownBoard(t, standInOf('stm32f746').name, 'lacking', toml => toml);
  await fs.copyFile(
    fileURLToPath(new URL('../../device/boards/qemu-mps2-an500/functions.json', import.meta.url)),
    join(folder, 'functions.json'),
  );
  const { data, of } = await program();
  const one = await of('head', folder);
  t.true((await firmwareFiles(one, data, folder)).size > 0);
  await fs.rm(join(folder, 'flash.c'));
  t.true((await firmwareFiles(one, data, folder)).size > 0, 'without a store it is not needed');
  const error = await t.throwsAsync(firmwareFiles(one.within({ target: folder, store: true }), data, folder), {
    instanceOf: TinytrainError,
  });
  t.is(error?.code, 'BOARD_INVALID');
  t.is(error?.message, `${folder}: board.toml names flash.c, which is not there`);
});

test('a board decides its stack, code and limits, and nothing else of a Program', async t => {
  const one = await (await program()).of('bias:4,18:1/4,15:1/8');
  const without = (target: string) =>
    one.memoryOn(target).items.filter(({ name }) => name !== 'stack' && name !== CODE);
  for (const target of targets()) {
    t.deepEqual(without(target), without('stm32f746'), target);
    t.is(one.memoryOn(target).stackPath[0], 'tt_start');
  }
});

test('a firmware holds its board and the emulated one of the same core, each with its own stack', async t => {
  const { files } = await testFirmware(t);
  const standIn = standInOf('stm32f746').name;
  const boards = [...files.keys()].filter(path => /^board\/.*\/board\.mk$/.test(path)).map(path => path.split('/')[1]);
  t.deepEqual(boards, ['host', standIn, 'stm32f746']);
  t.regex(
    String(files.get('board/stm32f746/board.ld')),
    /ORIGIN = 0x08000000, LENGTH = 1048576[\s\S]*LENGTH = 327680[\s\S]*TT_STACK_BYTES = 912 /,
  );
  t.regex(String(files.get(`board/${standIn}/board.ld`)), /tt_mailbox = 0x60000000;/);
  t.regex(
    String(files.get('board/stm32f746/board.mk')),
    /if command -v openocd .*\$\(OUT\)\/firmware\.elf.*; \\\n.*elif command -v st-flash/,
  );
  t.false([...files.keys()].some(path => path.endsWith('.json') && path.startsWith('board/')));
});

inQemu('a board of the user’s: its tables are made, a firmware for it is as planned and runs', async t => {
  patient(t);
  const folder = await ownBoard(t, standInOf('stm32f746').name, 'mine', toml =>
    toml.replaceAll('0x40_0000', '0x10_0000'),
  );
  const unprepared = await t.throwsAsync(async () => (await program()).of('head', folder), {
    instanceOf: TinytrainError,
  });
  t.is(unprepared?.code, 'BOARD_INVALID');
  t.regex(unprepared?.message ?? '', /npx tinytrain board/);
  const { files } = await prepareBoard(folder);
  t.deepEqual([...files.keys()], ['functions.json'], 'the core is the shipped one');
  t.is(
    (await tableFiles(folder)).files.get('functions.json'),
    await fs.readFile(join(folder, 'functions.json'), 'utf8'),
  );
  const { data, of } = await program();
  const built = await of('bias:4', folder);
  t.is(built.memory.target, 'mine');
  t.is(built.memory.sram.available, 1 << 20);
  const firmware = join(await temporary(t), 'firmware');
  await writeFirmware(firmware, await firmwareFiles(built, data, folder));
  // The firmware holds all that it takes: the board's own folder may go.
  await fs.rm(folder, { recursive: true });
  const result = await runFirmware(firmware, { steps: 2, predictions: 1, calibrate: true });
  t.true(result.equal, JSON.stringify(result.difference));
  t.is(result.target, basename(folder));
  t.is(result.linked?.sram, result.planned.sram);
  t.is(result.costs?.core, 'cortex-m7');
});

onArm('a board with a core that is not shipped brings its own table, and has no instructions', async t => {
  patient(t);
  const folder = await ownBoard(t, standInOf('stm32f746').name, 'other', toml =>
    toml
      .replace('core = "cortex-m7"', 'core = "cortex-m7-hard"')
      .replace('"-mfloat-abi=soft"', '"-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"')
      .replace(/\[emulator\][\s\S]*/, ''),
  );
  // Without an emulator nobody defines where its mailbox is.
  const source = join(folder, 'board.c');
  await fs.writeFile(source, `${await fs.readFile(source, 'utf8')}\nvolatile uint32_t tt_mailbox[3];\n`);
  const { files } = await prepareBoard(folder);
  t.deepEqual([...files.keys()], ['functions.json', 'core.json']);
  const built = await (await program()).of('head', folder);
  t.true(built.memory.stack > 0);
  const error = t.throws(() => standInOf(folder), { instanceOf: TinytrainError });
  t.is(error.code, 'EMULATOR_NONE');
});

onArm('a board whose stack cannot be known is refused', async t => {
  patient(t);
  const folder = await ownBoard(t, standInOf('stm32f746').name, 'pointers', toml => toml);
  const source = join(folder, 'board.c');
  const through = 'void (*tt_hook)(void);\nvoid tt_call(void);\nvoid tt_call(void)\n{\n    tt_hook();\n}\n';
  await fs.writeFile(source, `${await fs.readFile(source, 'utf8')}\n${through}`);
  const error = await t.throwsAsync(prepareBoard(folder), { instanceOf: TinytrainError });
  t.is(error.code, 'TABLES_FAILED');
  t.regex(error.message, /tt_call in board\/pointers\/board\.c calls through a pointer/);
});

test('a search knows its board in any working folder', async t => {
  const folder = join(await temporary(t), 'mine');
  await fs.cp(fileURLToPath(new URL('../../device/boards/stm32f746', import.meta.url)), folder, { recursive: true });
  const placed = (target?: string) => limitsPlanOf({ budgets: [1], target }).target;
  t.is(placed(relative('', folder)), resolve(folder));
  t.is(placed('qemu-mps2-an500'), 'qemu-mps2-an500');
  t.is(placed(), 'stm32f746');
  t.is(t.throws(() => boardPlace('stm32'), { instanceOf: TinytrainError }).code, 'BOARD_UNKNOWN');
});

test('what is no board says why', async t => {
  const missing = await t.throwsAsync(async () => (await program()).of('head', './no/such/board'), {
    instanceOf: TinytrainError,
  });
  t.is(missing?.code, 'BOARD_INVALID');
  const folder = await ownBoard(t, 'stm32f746', 'bad', toml => toml.replace('[sram]', '[ram]'));
  const bad = await t.throwsAsync(tableFiles(folder), { instanceOf: TinytrainError });
  t.is(bad.code, 'BOARD_INVALID');
  t.regex(bad.message, /board\.toml: .*ram/);
});
