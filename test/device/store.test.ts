import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { promises as fs } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { compile, defaultImages, loadModel, type SampleSet, TinytrainError } from '#tinytrain';
import { Device } from '#tinytrain/device/device.js';
import { readElf } from '#tinytrain/device/elf.js';
import { checkLinked, measure } from '#tinytrain/device/linked.js';
import { startQemu } from '#tinytrain/device/qemu.js';
import { runFirmware } from '#tinytrain/device/run.js';
import { standInOf } from '#tinytrain/device/stand-in.js';
import { build } from '#tinytrain/device/toolchain.js';
import { savedFrame } from '#tinytrain/emit/saved.js';
import { storeLines, wearOf } from '#tinytrain/report/store.js';
import { stateOf, trainStep } from '../helpers/device.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { temporary } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const onHost = has('cc') ? test : test.skip;

/** The program that cuts the power of `tt_store` at every operation (`store/cuts.c`), under sanitizers. */
async function cutter(folder: string): Promise<string> {
  const program = join(folder, 'cuts');
  const sources = ['test/device/store/cuts.c', 'device/store/tt_store.c', 'device/protocol/tt_crc.c'];
  const warnings = ['-Wall', '-Wextra', '-Wconversion', '-Wshadow', '-Werror'];
  const checks = ['-fsanitize=undefined,address', '-fno-sanitize-recover=all'];
  const include = ['test/device/store', 'device/store', 'device/protocol'].map(path => `-I${path}`);
  execFileSync('cc', ['-std=c11', '-O2', '-g', ...warnings, ...checks, ...include, ...sources, '-o', program], {
    cwd: root,
  });
  return program;
}

onHost('a state in flash is never lost or mixed, wherever the power fails', async t => {
  const fed = patient(t);
  const program = await cutter(await temporary(t));
  for (const [sectors, places, saves] of [
    [2, 3, 1000],
    [3, 2, 200],
    [2, 1, 100],
  ] as const) {
    const found = spawnSync(program, [sectors, places, saves, 1].map(String), { encoding: 'utf8' });
    fed();
    t.is(found.status, 0, found.stderr);
    const [, cuts, filled] = /cuts (\d+) .*filled (\d+)/.exec(found.stdout) ?? [];
    t.true(Number(cuts) >= 1000 * saves, found.stdout);
    t.true(Number(filled) >= Math.floor(saves / places), found.stdout);
    t.log(found.stdout.trim());
  }
});

const inQemu = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test.serial : test.serial.skip;

/** Starts a firmware in QEMU, trains three steps, resets the machine, and returns the state after each. */
async function trainedAndReset(t: ExecutionContext, elf: string, data: SampleSet, keep: boolean, fed: () => void) {
  const socket = join(await temporary(t), 'qmp');
  const { emulator } = standInOf('stm32f746');
  const line = await startQemu(elf, emulator, { line: 'uart', more: ['-qmp', `unix:${socket},server=on,wait=off`] });
  t.teardown(() => line.close());
  const device = new Device(line, { timeoutMs: 600_000 });
  const states = [await stateOf(device)];
  for (let step = 0; step < 3; step++) {
    await trainStep(device, data, step, 4);
    fed();
    states.push(await stateOf(device));
    if (keep && step === 1) t.deepEqual(await device.keep(), states.at(-1));
  }
  const monitor = createConnection(socket);
  await once(monitor, 'data');
  monitor.write('{"execute":"qmp_capabilities"}');
  await once(monitor, 'data');
  monitor.write('{"execute":"system_reset"}');
  await once(monitor, 'data');
  monitor.destroy();
  await device.identify();
  return { device, states, after: await stateOf(device) };
}

inQemu('a firmware with a store goes on after a reset from what it was asked to keep', async t => {
  const fed = patient(t);
  const { folder, data } = await testFirmware(t, { store: true });
  const { name } = standInOf('stm32f746');
  const { states, after } = await trainedAndReset(t, await build(folder, name), data, true, fed);
  t.is(after.steps, 2);
  t.deepEqual(after, states[2], 'the third step was not kept');
  const every = { SAVE_EVERY: '2', STRICT: '1' };
  execFileSync('make', ['-s', '-C', folder, `BOARD=${name}`], { stdio: 'pipe', env: { ...process.env, ...every } });
  const byItself = await trainedAndReset(t, join(folder, 'build', `${name}-every-2`, 'firmware.elf'), data, false, fed);
  t.deepEqual(byItself.after, states[2], 'every two steps it is saved unasked');
});

inQemu('a firmware without a store begins anew after a reset, and refuses to keep', async t => {
  const fed = patient(t);
  const { folder, data, files } = await testFirmware(t);
  t.false([...files.keys()].some(path => path.startsWith('store/') || path.endsWith('/flash.c')));
  const elf = await build(folder, standInOf('stm32f746').name);
  const { device, states, after } = await trainedAndReset(t, elf, data, false, fed);
  t.deepEqual(after, states[0]);
  const refused = await t.throwsAsync(device.keep(), { instanceOf: TinytrainError });
  t.is(refused?.code, 'DEVICE_REFUSED');
  t.regex(refused?.message ?? '', /no such request/);
});

const onArm = has('make', 'arm-none-eabi-gcc') ? test.serial : test.serial.skip;

onArm('what a store takes is in the plan, and linked is what was planned', async t => {
  const fed = patient(t);
  const without = await testFirmware(t);
  const { folder, program, data } = await testFirmware(t, { store: true });
  const { memory } = program;
  const bytes = (name: string, { items } = memory) => items.find(item => item.name === name)?.bytes ?? 0;
  t.is(bytes('store'), 24);
  t.is(bytes('saved states'), 256 << 10);
  const record = Math.ceil((program.record.stateBytes + savedFrame) / 4) * 4 + 24;
  const places = Math.floor((96 << 10) / record);
  t.deepEqual(memory.store, {
    sectors: 2,
    sectorBytes: 96 << 10,
    recordBytes: record,
    records: 2 * places,
    times: {
      save: [(record / 4) * 16e-6, (record / 4) * 100e-6],
      erase: [0.75, 2.4],
      cycles: 10_000,
      source:
        'usual figures of flash of this kind, neither measured nor read in the data sheet, ST DS10916, which has the binding ones',
    },
  });
  t.is(without.program.memory.store, undefined);
  t.deepEqual(without.program.memory, program.within({ target: 'stm32f746' }).memory);
  for (const target of ['stm32f746', standInOf('stm32f746').name]) {
    const linked = measure(readElf(await fs.readFile(await build(folder, target, undefined, { STRICT: '1' }))));
    t.is(linked.record, record);
    if (target === 'stm32f746') t.notThrows(() => checkLinked(memory, linked));
    else t.deepEqual(linked.stack, program.memoryOn(target).stack);
    fed();
  }
  // The firmware itself must lie behind the sectors, but for its vector table before them.
  const script = await fs.readFile(join(folder, 'board/stm32f746/board.ld'), 'utf8');
  t.regex(
    script,
    /VECTORS \(rx\) : ORIGIN = 0x08000000, LENGTH = 32768\n +FLASH \(rx\) : ORIGIN = 0x08040000, LENGTH = 786432/,
  );
  t.is((await runFirmware(folder, { steps: 2, predictions: 2 })).equal, true);
  t.is(data.classes.length, program.classes.length);
});

test('a state too large for the flash left over is refused when it is compiled', async t => {
  const model = await loadModel();
  const data = await defaultImages(model.input, { trainPerClass: 1, testPerClass: 1 });
  const { stateBytes } = (await compile(model, data, { scheme: 'full', residualBits: 8 })).record;
  t.true(stateBytes > 96 << 10);
  const large = await t.throwsAsync(compile(model, data, { scheme: 'full', residualBits: 8, store: true }), {
    instanceOf: TinytrainError,
  });
  t.is(large?.code, 'STORE_TOO_SMALL');
  t.regex(large?.message ?? '', /^a saved state of \d+ B does not fit a sector of 98304 B of the store of stm32f746$/);
  const code = await t.throwsAsync(compile(model, data, { scheme: 'head', store: true, flash: 400_000 }), {
    instanceOf: TinytrainError,
  });
  t.is(code?.code, 'BUDGET_EXCEEDED');
  t.regex(code?.message ?? '', /B of flash/);
  const { help } = (code?.details ?? {}) as { help: string[] };
  t.regex(help.join(), /saved states: 262,144 B/);
});

test('a board without a store is told from one with a store', async t => {
  const folder = join(await temporary(t), 'storeless');
  await fs.cp(join(root, 'device/boards/stm32f746'), folder, { recursive: true });
  const toml = join(folder, 'board.toml');
  await fs.writeFile(toml, (await fs.readFile(toml, 'utf8')).replace(/\[store\][\s\S]*/, ''));
  const model = await loadModel();
  const data = await defaultImages(model.input, { trainPerClass: 1, testPerClass: 1 });
  const options = { scheme: 'head', target: folder };
  t.is((await compile(model, data, options)).memory.store, undefined);
  const none = await t.throwsAsync(compile(model, data, { ...options, store: true }), { instanceOf: TinytrainError });
  t.is(none?.code, 'STORE_NONE');
  t.regex(none?.message ?? '', /^board storeless has no store/);
});

test('wear follows from the rate of saves', t => {
  const times = { save: [0.1, 0.2], erase: [1, 2], cycles: 10_000, source: 'a data sheet' } as const;
  const store = { sectors: 2, sectorBytes: 1 << 18, recordBytes: 10_000, records: 52, times };
  t.deepEqual(wearOf(store, 104), { savesPerDay: 104, erasesPerDay: 2, years: 5000 / 365.25 });
  t.is(wearOf({ ...store, times: null }, 104).years, null);
  t.is(
    storeLines(store, 'board', 104).join('\n'),
    [
      'store of board: 2 sectors of 262,144 B, 52 saved states of 10,000 B',
      '  a save takes 0.1 s, at most 0.2 s; one of 26 also erases a sector, 1 s, at most 2 s',
      '  (a data sheet)',
      '  with 104 saves a day each sector is erased 2 times a day, 10,000 times in 13.7 years',
    ].join('\n'),
  );
});
