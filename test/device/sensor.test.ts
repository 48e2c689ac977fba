/** The application that takes raw values: `make APP=sensor`. */
import { execFileSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  compile,
  loadFloatModel,
  loadModel,
  type Program,
  quantised,
  type SampleSet,
  type SampleSource,
  type SeriesOptions,
  Session,
  seriesFolder,
} from '#tinytrain';
import { readTable } from '#tinytrain/data/series/table.js';
import { readElf } from '#tinytrain/device/elf.js';
import { firmwareFiles, seriesOf, writeFirmware } from '#tinytrain/device/firmware.js';
import { measure } from '#tinytrain/device/linked.js';
import { ProcessConnection } from '#tinytrain/device/process.js';
import { instructionsOf, startQemu } from '#tinytrain/device/qemu.js';
import { standInOf } from '#tinytrain/device/stand-in.js';
import { sensorMemory } from '#tinytrain/report/applications.js';
import { has } from '../helpers/firmware.js';
import { temporary, write } from '../helpers/folder.js';
import { Line, seen } from '../helpers/line.js';
import { patient } from '../helpers/progress.js';
import { wav } from '../helpers/series.js';
import { writeTones } from '../helpers/tones.js';
import { withWaves } from '../helpers/waves.js';

const inQemu = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test.serial : test.serial.skip;
const onHost = has('make', 'cc') ? test.serial : test.serial.skip;
const board = standInOf('stm32f746');
/** Of the clock by which the application counts. */
const CLOCK_HZ = 25_000_000;
/** 1600 millionths, as the application has them. */
const rate = { mantissa: 0x68db8bac, exponent: -9 };
const rates = { head: rate, backbone: rate };

interface Case {
  readonly feed: 'whole' | 'rows';
  readonly store: boolean;
  readonly options: SeriesOptions;
}

interface Sensor {
  readonly folder: string;
  readonly program: Program;
  readonly data: SampleSet;
  readonly source: SampleSource;
}

/** Recordings of three columns, for a network that takes 64x64x3: one of two windows, and one that is shorter than any. */
async function writeLong(folder: string): Promise<void> {
  const noise = (rows: number, level: number) => wav(noisy(3 * rows, level), { bits: 16, format: 1, channels: 3 });
  const files = ['train', 'test'].flatMap(split => [
    [`sounds/${split}/a/0.wav`, noise(7100, 3000)] as const,
    [`sounds/${split}/b/0.wav`, noise(4000, 200)] as const,
  ]);
  await write(folder, Object.fromEntries(files));
}

const noisy = (count: number, level: number) =>
  Array.from({ length: count }, (_, i) => Math.round(level * Math.sin(i * i * 0.0007 + level)));

/** The recordings of a case, and the model that takes them. */
async function material(t: ExecutionContext, { feed, options }: Case) {
  const root = options.front || feed === 'rows' ? await temporary(t) : await withWaves(t);
  if (options.front) await writeTones(root);
  if (feed === 'rows') {
    await writeLong(root);
    const source = await seriesFolder(join(root, 'sounds'), options);
    const plain = await loadModel();
    const scale = await source.normalise?.(plain.input, plain.input);
    return { root, source, model: scale ? plain.withSeries(scale) : plain };
  }
  const source = await seriesFolder(join(root, options.front ? 'sounds' : 'waves'), options);
  return { root, source, model: await quantised(await loadFloatModel(join(root, 'net.onnx')), source) };
}

/** A firmware for recordings. */
async function sensor(t: ExecutionContext, one: Case): Promise<Sensor> {
  const { root, source, model } = await material(t, one);
  const { feed, store } = one;
  const data = await source.read(model.input);
  const program = await compile(model, data, { scheme: 'bias:2', feed, store, target: 'stm32f746' });
  const folder = join(root, 'firmware');
  await writeFirmware(folder, await firmwareFiles(program, data, 'stm32f746'));
  return { folder, program, data, source };
}

/** The recordings of the training set in order, the raw values of each, and how many windows it has. */
async function recordings({ data, program, source }: Sensor) {
  const paths = [...new Set(data.train.names.map(name => name.replace(/:\d+$/, '')))];
  const series = program.input.series ?? [];
  return Promise.all(
    paths.map(async path => {
      const { values, rows } = await readTable(path);
      const unit = (i: number) =>
        source.origin.kind === 'series' && source.origin.front ? 1 : (series[i % series.length]?.unit ?? 1);
      const raw = Int16Array.from(values, (value, i) => Math.floor(value / unit(i) + 0.5));
      const windows = data.train.names.filter(name => name === path || name.startsWith(`${path}:`)).length;
      return { raw, rows, windows };
    }),
  );
}

/** Sends the rows of a recording and its end. */
function sent({ raw, rows }: { readonly raw: Int16Array; readonly rows: number }): Buffer {
  const head = Buffer.from('R\0\0', 'latin1');
  head.writeUInt16LE(rows, 1);
  return Buffer.concat([head, Buffer.from(raw.buffer), Buffer.from('E')]);
}

/** Shows it all recordings, teaches it some, and shows it all again: every word is that of the host. */
async function life(t: ExecutionContext, line: Line, sensor: Sensor, fed: () => void): Promise<string> {
  const { program, data } = sensor;
  const session = new Session(program);
  const all = await recordings(sensor);
  t.is(await line.heard(), 'ready: step 0, 2 classes');
  const see = async () => {
    let place = 0;
    for (const one of all) {
      await line.send(sent(one));
      for (let i = 0; i < one.windows; i++) t.is(await line.heard(), seen(session, data.train.sample(place++)));
      fed();
    }
    t.is(place, data.train.size);
  };
  await see();
  let [place, steps] = [0, 0];
  for (const [label, one] of all.slice(0, 2).entries()) {
    await line.send(String(label), sent(one));
    for (let i = 0; i < one.windows; i++) {
      const { predicted } = session.trainStep(data.train.sample(place++), label, rates);
      t.is(await line.heard(), `learned ${label}, took it for ${predicted}`);
      steps++;
    }
  }
  await line.send('.');
  if (program.limits.store) t.is(await line.heard(), `saved: step ${steps}, save 1`);
  await see();
  return line.ask('?');
}

const cases: readonly (readonly [string, Case])[] = [
  ['raw values', { feed: 'whole', store: false, options: { window: 32, hop: 8 } }],
  ['a sound', { feed: 'whole', store: true, options: { window: 10, hop: 3, front: { kind: 'mel', channels: 12 } } }],
  [
    'a sound with the micro front end',
    { feed: 'whole', store: false, options: { window: 10, hop: 3, front: { kind: 'micro', channels: 12 } } },
  ],
  [
    'raw values for a network that is fed row by row',
    { feed: 'rows', store: false, options: { window: 4096, hop: 3000 } },
  ],
];

for (const [what, one] of cases) {
  inQemu(`an application takes ${what}, sees and learns, every word that of the host`, async t => {
    const fed = patient(t);
    const made = await sensor(t, one);
    const { folder, program, data } = made;
    for (const name of [board.name, 'stm32f746']) {
      execFileSync('make', ['-s', '-C', folder, `BOARD=${name}`, 'APP=sensor', 'STRICT=1'], { stdio: 'pipe' });
      fed();
    }
    const linked = measure(readElf(await fs.readFile(join(folder, 'build/stm32f746-sensor/firmware.elf'))));
    const series = seriesOf(program.input, data.origin);
    if (!series) return t.fail('no series');
    const planned = sensorMemory(program, series);
    const own = planned.items.filter(item => !program.memory.items.some(({ name }) => name === item.name));
    const front = one.options.front ? ['front end'] : [];
    t.deepEqual(
      own.filter(({ name }) => name !== 'padding').map(({ name }) => name),
      ['ring of a window', ...front, 'row of raw values', 'application', 'tables of raw values'],
    );
    t.is(linked.sram, planned.sram.total);
    t.true(linked.flash <= planned.flash.total);
    const elf = join(folder, 'build', `${board.name}-sensor`, 'firmware.elf');
    const connection = await startQemu(elf, board.emulator, { line: 'uart' });
    t.teardown(() => connection.close());
    const said = await life(t, new Line(connection), made, fed);
    const [, used, ticks] = /bytes of stack used: (\d+), ticks of a row: (\d+)$/.exec(said) ?? [];
    t.true(Number(used) > 0 && Number(used) <= program.memoryOn(board.name).stack - 24, `${used} bytes of stack`);
    t.true(Number(ticks) > 0);
    const { emulator } = board;
    const spent = instructionsOf(Number(ticks), CLOCK_HZ, emulator);
    t.log(`${linked.flash} B of flash, ${planned.sram.total} B of SRAM, ${spent} instructions for a row`);
  });

  onHost(`an application takes ${what} under sanitizers`, async t => {
    const fed = patient(t);
    const made = await sensor(t, one);
    execFileSync('make', ['-s', '-C', made.folder, 'BOARD=host', 'APP=sensor', 'STRICT=1'], { stdio: 'pipe' });
    fed();
    const connection = await ProcessConnection.start(
      'the host build',
      join(made.folder, 'build/host-sensor/firmware.elf'),
      [],
    );
    t.teardown(() => connection.close());
    await life(t, new Line(connection), made, fed);
  });
}
