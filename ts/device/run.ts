import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { Dataset, SampleSet } from '../data/dataset.js';
import { fromRgb565, toRgb565 } from '../data/images/rgb565.js';
import { pixelsOf } from '../data/input.js';
import type { Progress } from '../data/pool.js';
import { TinytrainError } from '../errors.js';
import { meanLoss } from '../loss.js';
import { call, native, type Session } from '../native.js';
import { options as all, checkOptions, type Option, optionTable, progress } from '../options.js';
import { reopenProgram, reopenSource } from '../origin.js';
import {
  type CostTable,
  calibrated,
  costTable,
  type Estimate,
  estimateIfKnown,
  type PerPass,
  type Time,
  withMeasured,
} from '../program/costs.js';
import type { Program } from '../program/program.js';
import { ratesOfStep } from '../rates.js';
import type { Connection } from './connection.js';
import { Device, type Identity } from './device.js';
import { readElf } from './elf.js';
import { type FirmwareManifest, openFirmware, targetOf } from './firmware.js';
import { checkLinked, type Linked, measure } from './linked.js';
import { measuredSteps, measureSteps } from './measure.js';
import { strideOrder } from './order.js';
import { type Placement, placementOf } from './placement.js';
import { otherProgram } from './port.js';
import { ProcessConnection } from './process.js';
import { instructionsOf, startQemu } from './qemu.js';
import { SerialConnection } from './serial.js';
import { standInOf } from './stand-in.js';
import { build, requireTool } from './toolchain.js';

/** Bytes at the end of the stack that the plan reserves and that must never be written. */
const STACK_GUARD = 24;

/** Progress of running a firmware. */
export interface RunProgress {
  readonly phase: 'samples' | 'build' | 'calibration' | 'training' | 'predictions';
  readonly done: number;
  readonly total: number;
  /** Loss of the last step, natural logarithm. */
  readonly loss?: number;
}

/** Options for running a firmware. */
export interface RunFirmwareOptions {
  /** Number of training steps, one sample each; 20 by default. */
  readonly steps?: number | undefined;
  /** @internal Number of steps for which the rates are scheduled, of which these are the first; `steps` by default. */
  readonly schedule?: number | undefined;
  /** Number of test samples that are then predicted; 100 by default, or as many as there are. */
  readonly predictions?: number | undefined;
  /** The peak learning rate; 0.0016 by default. */
  readonly lr?: number | undefined;
  /** The peak learning rate of the head; `lr` by default. */
  readonly lrHead?: number | undefined;
  /** The serial port of a board to which this firmware was flashed; QEMU if omitted. */
  readonly port?: string | undefined;
  /** Bits per second of that port. */
  readonly baud?: number | undefined;
  /** How long the device may be silent before it has answered, in milliseconds; 60 s by default. */
  readonly timeoutMs?: number | undefined;
  /** The connection to QEMU: `semihosting` (fast, the default) or its `uart`. `host` runs the same sources on this computer under sanitizers. */
  readonly line?: 'semihosting' | 'uart' | 'host' | undefined;
  /**
   * Returns a calibrated cost table, based on this one or on the built-in one: in QEMU with the instructions of every step counted, on a board with the
   * cycles scaled to its own counter.
   */
  readonly calibrate?: CostTable | true | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
}

const calibration: Option<CostTable | true> = {
  kind: {
    expected: 'true, or a cost table',
    is: (value): value is CostTable | true =>
      value === true || (typeof value === 'object' && value !== null && 'costs' in value),
  },
  help: 'the cost table to start from',
};

const runOptions = optionTable<RunFirmwareOptions>({
  steps: all.stepsOnDevice,
  schedule: all.scheduledSteps,
  predictions: all.predictions,
  lr: all.lrOnDevice,
  lrHead: all.lrHeadOnDevice,
  port: all.portOrQemu,
  baud: all.baud,
  timeoutMs: all.timeoutMs,
  line: all.line,
  calibrate: calibration,
  signal: all.signal,
  onProgress: progress(),
});

/** The first difference between device and host. */
export interface RunDifference {
  readonly where: string;
  readonly device: unknown;
  readonly host: unknown;
}

/** The result of running a firmware. */
export interface RunFirmwareResult {
  /** Whether every loss, prediction, probability, checksum and trainable byte was equal. */
  readonly equal: boolean;
  readonly difference: RunDifference | null;
  readonly board: string;
  readonly target: string;
  /** SHA-256 of the Program. */
  readonly program: string;
  readonly steps: number;
  readonly predictions: number;
  /** SHA-256 over all trainable state at the end. */
  readonly checksum: string;
  readonly hostChecksum: string;
  readonly accuracy: { readonly device: number; readonly host: number; readonly samples: number };
  readonly planned: { readonly sram: number; readonly flash: number };
  /** The ELF file of the target. */
  readonly linked: {
    readonly sram: number;
    readonly stack: number;
    readonly flash: number;
    readonly items: Linked['items'];
  } | null;
  /** Where stack, context and scratch memory lie; null on a board whose RAM is all alike. */
  readonly placement: Placement | null;
  /** Most bytes of stack in use; null if unknown. */
  readonly stackPainted: number | null;
  /** Guest instructions in QEMU; null on a board. */
  readonly instructions: PerPass<number> | null;
  /** Milliseconds: measured on a board, modelled for the clock of the firmware's board in QEMU; null if no cycles are known of its core. */
  readonly time: PerPass<Time> | null;
  /** Instructions of a training step as predicted by the given cost table or the built-in one; null if the core has neither. */
  readonly predictedInstructions: number | null;
  /** The cost table calibrated for this firmware; null without `calibrate`. */
  readonly costs: CostTable | null;
  readonly seconds: number;
  /** Version of the Arm compiler. */
  readonly compiler: string | null;
}

interface Bench {
  readonly device: Device;
  readonly identity: Identity;
  readonly session: Session;
  readonly program: Program;
  readonly data: SampleSet;
  /** The board for which the firmware was compiled, as an argument of `native().board`. */
  readonly target: string;
  readonly options: RunFirmwareOptions;
}

function compare(where: string, device: unknown, host: unknown): RunDifference | undefined {
  return JSON.stringify(device) === JSON.stringify(host) ? undefined : { where, device, host };
}

/** The same figures in an order of their own. */
function sorted(figures: object): object {
  return Object.fromEntries(Object.entries(figures).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Trains on both sides until the first difference. */
async function trainBoth(
  { device, session, program, data, options }: Bench,
  steps: number,
): Promise<RunDifference | undefined> {
  const backbone = options.lr ?? all.lrOnDevice.default;
  const peak = { head: options.lrHead ?? backbone, backbone };
  const scheduled = options.schedule ?? steps;
  await device.beginSchedule(peak, scheduled);
  // Behind each step on a new sample comes one on a kept one, if there is a buffer for them.
  const turn = program.replay > 0 ? 2 : 1;
  for (let step = 0; step < steps; step++) {
    const rates = ratesOfStep(peak, scheduled, step);
    const again = step % turn > 0;
    const index = Math.floor(step / turn) % data.train.size;
    const sample = data.train.sample(index);
    const label = data.train.labels[index] ?? 0;
    const { steps: _steps, ...found } = again
      ? await device.replay('scheduled')
      : await device.train(sample, label, 'scheduled');
    const host = call(() => (again ? session.replayStep(rates) : session.trainStep(sample, label, rates)));
    const wanted = { ...host, checksum: crc32(session.state()) };
    const difference = compare(`training step ${step + 1}`, sorted(found), sorted(wanted));
    if (difference) return difference;
    options.onProgress?.({ phase: 'training', done: step + 1, total: steps, loss: meanLoss(found.loss) });
  }
  return undefined;
}

/** The formats of a camera. */
const cameraFormats = ['rgb565', 'grey'] as const;

/** The bytes of a sample in a camera's format, and the sample that the device makes of them. */
function asCamera(sample: Int8Array, tables: readonly Int8Array[], format: (typeof cameraFormats)[number]) {
  const pixels = pixelsOf(sample, tables);
  const grey = pixels.filter((_, i) => i % 3 === 0);
  const sent = format === 'grey' ? grey : toRgb565(pixels);
  const seen = format === 'grey' ? Uint8Array.from(pixels, (_, i) => grey[Math.floor(i / 3)] ?? 0) : fromRgb565(sent);
  return { sent, sample: Int8Array.from(seen, (pixel, i) => tables[i % tables.length]?.[pixel] ?? 0) };
}

/** Predicts on both sides of samples as a camera delivers them row by row; they do not count for the accuracy. */
async function predictCamera(
  { device, session, program }: Bench,
  samples: Dataset,
): Promise<RunDifference | undefined> {
  const { input, feed, record } = program;
  if (feed === 'whole' || input.series || record.input.shape[2] !== 3 || samples.size === 0) return undefined;
  for (const format of cameraFormats) {
    const { sent, sample } = asCamera(samples.sample(0), input.tables, format);
    const found = await device.predict(sent, format);
    const host = { predicted: call(() => session.predict(sample)), scores: call(() => session.scores()) };
    const difference = compare(`prediction of ${samples.names[0]} as ${format}`, found, host);
    if (difference) return difference;
  }
  return undefined;
}

interface Predicted {
  readonly device: number;
  readonly host: number;
  readonly difference?: RunDifference;
}

/** Predicts on both sides; every other sample is sent as RGB888 and quantised on the device. */
async function predictBoth(bench: Bench, samples: Dataset): Promise<Predicted> {
  const { device, session, program, options } = bench;
  const right = { device: 0, host: 0 };
  for (let i = 0; i < samples.size; i++) {
    const sample = samples.sample(i);
    // Series are sent as int8: their raw values have no format of the protocol.
    const rgb = i % 2 === 1 && !program.input.series;
    const sent = rgb ? pixelsOf(sample, program.input.tables) : sample;
    const found = await device.predict(sent, rgb ? 'rgb888' : 'int8');
    const host = { predicted: call(() => session.predict(sample)), scores: call(() => session.scores()) };
    const label = samples.labels[i];
    right.device += found.predicted === label ? 1 : 0;
    right.host += host.predicted === label ? 1 : 0;
    const difference = compare(`prediction of ${samples.names[i]}`, found, host);
    if (difference) return { ...right, difference };
    options.onProgress?.({ phase: 'predictions', done: i + 1, total: samples.size });
  }
  return right;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function connect(folder: string, target: string, options: RunFirmwareOptions): Promise<Connection> {
  if (options.port !== undefined) return SerialConnection.open(options.port, options.baud);
  if (options.line === 'host')
    return ProcessConnection.start('the host build', await build(folder, 'host', options.signal), []);
  await requireTool('qemu');
  const board = standInOf(target);
  return startQemu(await build(folder, board.name, options.signal), board.emulator, { line: options.line });
}

/** Builds for the target and measures it against the plan. */
async function link(folder: string, { target, memory, prefix }: FirmwareManifest, signal?: AbortSignal) {
  const elf = readElf(await fs.readFile(await build(folder, target, signal)));
  const linked = measure(elf, prefix);
  checkLinked(memory, linked);
  return { elf, linked };
}

async function identified(device: Device, program: Program): Promise<Identity> {
  const identity = await device.identify();
  if (identity.program !== program.hash) throw otherProgram(identity, program.hash);
  return identity;
}

type Figures = Pick<RunFirmwareResult, 'instructions' | 'stackPainted'> & {
  /** What the board's own counter says; null in QEMU, which counts instructions. */
  readonly measured: PerPass<Time> | null;
};

/** Ticks of a board's counter as time. */
function timed(ticks: number, clockHz: number): Time {
  const ms = (1000 * ticks) / clockHz;
  return { milliseconds: { low: ms, likely: ms, high: ms }, clockHz, source: 'measured' };
}

async function figures({ device, identity, target, options }: Bench): Promise<Figures> {
  const { inferenceTicks, trainTicks, stackPainted } = await device.counters();
  const painted = stackPainted === 0 ? null : stackPainted;
  if (options.line === 'host') return { instructions: null, measured: null, stackPainted: painted };
  if (options.port !== undefined) {
    const measured = {
      inference: timed(inferenceTicks, identity.clockHz),
      trainStep: timed(trainTicks, identity.clockHz),
    };
    return { instructions: null, measured, stackPainted: painted };
  }
  const { emulator } = standInOf(target);
  const instructions = {
    inference: instructionsOf(inferenceTicks, identity.clockHz, emulator),
    trainStep: instructionsOf(trainTicks, identity.clockHz, emulator),
  };
  return { instructions, measured: null, stackPainted: painted };
}

type Found = Pick<
  RunFirmwareResult,
  'equal' | 'difference' | 'checksum' | 'hostChecksum' | 'accuracy' | 'board' | 'predictions'
> &
  Figures;

/** Throws if the stack of a device was exhausted: it may have overwritten anything. */
function checkStack({ stackPainted }: Figures, { stackBytes }: Identity): void {
  if (stackPainted === null || stackPainted <= stackBytes - STACK_GUARD) return;
  throw new TinytrainError('STACK_OVERFLOW', `the stack was exhausted: all of its ${stackBytes} B were written`, {
    reserved: stackBytes,
    painted: stackPainted,
    help: [
      'functions of app/ that call deeper need more: make STACK_EXTRA=1024',
      'a compiler other than GCC 12 may need more, too',
    ],
  });
}

async function exercise(bench: Bench, steps: number): Promise<Found> {
  const { device, session, data, identity } = bench;
  const predictions = data.test.size;
  await device.reset();
  const trained = await trainBoth(bench, steps);
  const [saved, state] = [await device.save(), call(() => session.state())];
  const [checksum, hostChecksum] = [sha256(saved.state), sha256(state)];
  const compared = trained ?? compare('trainable state at the end', checksum, hostChecksum);
  const predicted = compared ? { device: 0, host: 0 } : await predictBoth(bench, data.test);
  const different = compared ?? ('difference' in predicted ? (predicted as Predicted).difference : undefined);
  const difference = different ?? (predictions > 0 ? await predictCamera(bench, data.test) : undefined);
  const measured = await figures(bench);
  checkStack(measured, identity);
  const share = (right: number) => (predictions === 0 ? 0 : right / predictions);
  return {
    equal: difference === undefined,
    difference: difference ?? null,
    checksum,
    hostChecksum,
    predictions: compared ? 0 : predictions,
    accuracy: { device: share(predicted.device), host: share(predicted.host), samples: compared ? 0 : predictions },
    board: identity.board,
    ...measured,
  };
}

async function costsOf(
  program: Program,
  data: SampleSet,
  target: string,
  table: CostTable | undefined,
  { signal, onProgress }: RunFirmwareOptions,
): Promise<CostTable> {
  if (program.feed === 'rows') {
    throw new TinytrainError('NOT_CALIBRATED', 'steps cannot be counted one by one where samples come row by row', {
      help: ['calibrate with a firmware that was compiled without --feed rows: its kernels are the same'],
    });
  }
  onProgress?.({ phase: 'calibration', done: 0, total: 1 });
  const measured = await measureSteps(program, data, target, { signal });
  onProgress?.({ phase: 'calibration', done: 1, total: 1 });
  const shipped = costTable(target);
  return calibrated({ ...shipped, ...table, costs: { ...shipped.costs, ...table?.costs } }, measured);
}

/** A cost table whose cycles are scaled to what a training step takes on a board. */
function fromBoard(
  table: CostTable | undefined,
  target: string,
  estimate: Estimate,
  { trainStep }: PerPass<Time>,
): CostTable {
  const shipped = costTable(target);
  const full = { ...shipped, ...table, cycles: { ...shipped.cycles, ...table?.cycles } };
  return withMeasured(full, estimate, trainStep.milliseconds.likely);
}

/** Only the samples that a run sends: `strideOrder` goes through an entire split before it repeats the first sample. */
async function samplesOf(
  folder: string,
  { origin }: FirmwareManifest,
  program: Program,
  options: RunFirmwareOptions,
): Promise<SampleSet> {
  const {
    signal,
    onProgress,
    calibrate,
    steps = all.stepsOnDevice.default,
    predictions = all.predictions.default,
  } = options;
  const source = await reopenSource(origin, folder);
  const chosen = (count: number, wanted: number) => strideOrder(count, Math.min(count, wanted));
  const only = {
    train: chosen(
      source.parts.train.length,
      Math.max(steps, calibrate && options.port === undefined ? measuredSteps : 0),
    ),
    test: chosen(source.parts.test.length, predictions),
  };
  const tell = onProgress && (({ done, total }: Progress) => onProgress({ phase: 'samples', done, total }));
  return source.read(program.input, { only, signal, onProgress: tell });
}

/**
 * Runs a firmware folder in QEMU or on a board: builds it, compares the linked memory with the plan, trains on real samples and predicts, and compares
 * everything with the host, step by step. All started processes are ended, whatever happens.
 */
export async function runFirmware(folder: string, options: RunFirmwareOptions = {}): Promise<RunFirmwareResult> {
  checkOptions(runOptions, options);
  const { signal, onProgress } = options;
  const began = performance.now();
  const manifest = await openFirmware(folder);
  const compiler = await requireTool('compiler');
  const target = targetOf(folder, manifest);
  const { origin, program: named } = manifest;
  const program = await reopenProgram(folder, origin, { ...named, limits: { ...named.limits, target } });
  const data = await samplesOf(folder, manifest, program, options);
  onProgress?.({ phase: 'build', done: 0, total: 2 });
  const { elf, linked } = await link(folder, manifest, signal);
  const placement = placementOf(elf, call(() => native().board(target)).fast, program.record);
  onProgress?.({ phase: 'build', done: 1, total: 2 });
  const { calibrate } = options;
  const table = calibrate === true ? undefined : calibrate;
  const onBoard = options.port !== undefined;
  const counted = calibrate && !onBoard ? await costsOf(program, data, target, table, options) : null;
  const steps = options.steps ?? all.stepsOnDevice.default;
  const device = new Device(await connect(folder, target, options), { signal, timeoutMs: options.timeoutMs });
  try {
    const identity = await identified(device, program);
    const session = call(() => new (native().Session)(program.handle));
    const bench = { device, identity, session, program, data, target, options };
    const { measured, ...found } = await exercise(bench, steps);
    const estimate = estimateIfKnown(program, table, target);
    return {
      ...found,
      time: measured ?? estimate?.time ?? null,
      target: manifest.target,
      program: program.hash,
      steps,
      planned: { sram: manifest.memory.sram.total, flash: manifest.memory.flash.total },
      linked,
      placement,
      predictedInstructions: estimate?.instructions.trainStep ?? null,
      costs: calibrate && measured && estimate ? fromBoard(table, target, estimate, measured) : counted,
      seconds: (performance.now() - began) / 1000,
      compiler,
    };
  } finally {
    await device.close();
  }
}
