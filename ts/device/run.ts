import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { Dataset, SampleSet } from '../data/dataset.js';
import { TinytrainError } from '../errors.js';
import { call, native, type Session } from '../native.js';
import { type CostTable, calibrated, costTable, instructionsOfStep } from '../program/costs.js';
import type { Program } from '../program/program.js';
import { measureSteps } from './calibrate.js';
import { Device, type Identity } from './device.js';
import { readElf } from './elf.js';
import { type FirmwareManifest, openFirmware, rebuild, targetOf } from './firmware.js';
import type { Line } from './line.js';
import { checkLinked, type Linked, measure } from './linked.js';
import { strideOrder } from './order.js';
import { ProcessLine } from './process.js';
import { instructionsOf, startQemu } from './qemu.js';
import { defaultBaud, SerialLine } from './serial.js';
import { standInOf } from './stand-in.js';
import { build, requireTool } from './toolchain.js';

const STEPS = 20;
const PREDICTIONS = 100;
const RATE = 1.6e-3;
/** Bytes at the end of the stack that the plan sets aside never to be written. */
const STACK_GUARD = 8;

/** What a run is doing, and how far it is. */
export interface RunProgress {
  readonly phase: 'samples' | 'build' | 'calibration' | 'training' | 'predictions';
  readonly done: number;
  readonly total: number;
  /** Loss of the last step, natural logarithm. */
  readonly loss?: number;
}

/** How a firmware is run. */
export interface RunFirmwareOptions {
  /** Training steps, a sample each; 20 by default. */
  readonly steps?: number | undefined;
  /** Test samples that are predicted after them; 100 by default, or as many as there are. */
  readonly predictions?: number | undefined;
  /** The highest learning rate; 0.0016 by default. */
  readonly lr?: number | undefined;
  /** A serial port with a board that this firmware was flashed to; QEMU without one. */
  readonly port?: string | undefined;
  /** Bits a second of that port. */
  readonly baud?: number | undefined;
  /** How QEMU is connected: `semihosting` (fast, the default) or its `uart`. `host` runs the same sources on this computer under sanitizers. */
  readonly line?: 'semihosting' | 'uart' | 'host' | undefined;
  /** Counts every step in QEMU and yields a table of costs: this one, or the built-in one, made to fit. */
  readonly calibrate?: CostTable | true | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
}

/** The first thing that was not the same on the device and on the host. */
export interface RunDifference {
  readonly where: string;
  readonly device: unknown;
  readonly host: unknown;
}

/** What a run found. */
export interface RunFirmwareResult {
  /** Whether every loss, prediction, probability, checksum and trainable byte was the same. */
  readonly equal: boolean;
  readonly difference: RunDifference | null;
  readonly board: string;
  readonly target: string;
  /** SHA-256 of the Program. */
  readonly program: string;
  readonly steps: number;
  readonly predictions: number;
  /** SHA-256 over every trainable byte at the end. */
  readonly checksum: string;
  readonly hostChecksum: string;
  readonly accuracy: { readonly device: number; readonly host: number; readonly samples: number };
  readonly planned: { readonly sram: number; readonly flash: number };
  /** The target's ELF. */
  readonly linked: {
    readonly sram: number;
    readonly stack: number;
    readonly flash: number;
    readonly items: Linked['items'];
  } | null;
  /** Bytes of stack used at most; null where the board does not know. */
  readonly stackPainted: number | null;
  /** Guest instructions in QEMU; null on a board. */
  readonly instructions: { readonly inference: number; readonly trainStep: number } | null;
  /** Clock cycles on a board; null in QEMU. */
  readonly cycles: { readonly inference: number; readonly trainStep: number } | null;
  /** Instructions of a training step as predicted by the given table of costs, or the built-in one; null where the core has neither. */
  readonly predictedInstructions: number | null;
  /** The table made to fit this firmware; null without `calibrate`. */
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
  /** The board that the firmware was compiled for, as `native().board` takes it. */
  readonly target: string;
  readonly options: RunFirmwareOptions;
}

function compare(where: string, device: unknown, host: unknown): RunDifference | undefined {
  return JSON.stringify(device) === JSON.stringify(host) ? undefined : { where, device, host };
}

/** Trains on both sides; the first difference ends it. */
async function trainBoth({ device, session, data, options }: Bench, steps: number): Promise<RunDifference | undefined> {
  const order = strideOrder(data.train.size, steps);
  for (const [step, index] of order.entries()) {
    const sample = data.train.sample(index);
    const label = data.train.labels[index] ?? 0;
    const rate = native().learningRate(options.lr ?? RATE, steps, step);
    const { loss, predicted, saturated, checksum } = await device.train(sample, label, rate);
    const host = call(() => session.trainStep(sample, label, rate));
    const wanted = {
      loss: host.loss,
      predicted: host.predicted,
      saturated: host.saturated,
      checksum: crc32(session.state()),
    };
    const difference = compare(`training step ${step + 1}`, { loss, predicted, saturated, checksum }, wanted);
    if (difference) return difference;
    options.onProgress?.({ phase: 'training', done: step + 1, total: steps, loss: loss / 65536 });
  }
  return undefined;
}

/** The byte of a pixel for each int8 value, by channel: what the device quantises back. */
function pixelsOf(sample: Int8Array, tables: readonly Int8Array[]): Uint8Array {
  const inverse = tables.map(table => new Map(Array.from(table, (q, p) => [q, p] as const)));
  return Uint8Array.from(sample, (q, i) => inverse[i % tables.length]?.get(q) ?? 0);
}

interface Predicted {
  readonly device: number;
  readonly host: number;
  readonly difference?: RunDifference;
}

/** Predicts on both sides; every other sample goes over as RGB888, to be quantised on the device. */
async function predictBoth(bench: Bench, samples: Dataset, count: number): Promise<Predicted> {
  const { device, session, program, options } = bench;
  const right = { device: 0, host: 0 };
  for (const [i, index] of strideOrder(samples.size, count).entries()) {
    const sample = samples.sample(index);
    const rgb = i % 2 === 1;
    const sent = rgb ? pixelsOf(sample, program.model.input.tables) : sample;
    const found = await device.predict(sent, rgb ? 'rgb888' : 'int8');
    const host = { predicted: call(() => session.predict(sample)), scores: call(() => session.scores()) };
    const label = samples.labels[index];
    right.device += found.predicted === label ? 1 : 0;
    right.host += host.predicted === label ? 1 : 0;
    const difference = compare(`prediction of ${samples.names[index]}`, found, host);
    if (difference) return { ...right, difference };
    options.onProgress?.({ phase: 'predictions', done: i + 1, total: count });
  }
  return right;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function connect(folder: string, target: string, options: RunFirmwareOptions): Promise<Line> {
  if (options.port !== undefined) return SerialLine.open(options.port, options.baud ?? defaultBaud);
  if (options.line === 'host')
    return ProcessLine.start('the host build', await build(folder, 'host', options.signal), []);
  await requireTool('qemu');
  const board = standInOf(target);
  return startQemu(await build(folder, board.name, options.signal), board.emulator, { line: options.line });
}

/** Builds for the target and measures it against the plan. */
async function link(folder: string, { target, memory }: FirmwareManifest, signal?: AbortSignal): Promise<Linked> {
  const linked = measure(readElf(await fs.readFile(await build(folder, target, signal))));
  checkLinked(memory, linked);
  return linked;
}

async function identified(device: Device, program: Program): Promise<Identity> {
  const identity = await device.identify();
  if (identity.program !== program.hash) {
    throw new TinytrainError(
      'FIRMWARE_OTHER',
      `${identity.board} runs another program, ${identity.program.slice(0, 16)}`,
      {
        device: identity.program,
        program: program.hash,
        help: ['`make flash` in the firmware folder puts this one onto the board'],
      },
    );
  }
  return identity;
}

type Figures = Pick<RunFirmwareResult, 'instructions' | 'cycles' | 'stackPainted'>;

async function figures({ device, identity, target, options }: Bench): Promise<Figures> {
  const { inferenceTicks, trainTicks, stackPainted } = await device.counters();
  const painted = stackPainted === 0 ? null : stackPainted;
  if (options.line === 'host') return { instructions: null, cycles: null, stackPainted: painted };
  if (options.port !== undefined) {
    return { instructions: null, cycles: { inference: inferenceTicks, trainStep: trainTicks }, stackPainted: painted };
  }
  const { emulator } = standInOf(target);
  const instructions = {
    inference: instructionsOf(inferenceTicks, identity.clockHz, emulator),
    trainStep: instructionsOf(trainTicks, identity.clockHz, emulator),
  };
  return { instructions, cycles: null, stackPainted: painted };
}

type Found = Pick<
  RunFirmwareResult,
  'equal' | 'difference' | 'checksum' | 'hostChecksum' | 'accuracy' | 'board' | 'predictions'
> &
  Figures;

/** Refuses figures of a device whose stack was used up: what it overwrote is not known. */
function checkStack({ stackPainted }: Figures, { stackBytes }: Identity): void {
  if (stackPainted === null || stackPainted <= stackBytes - STACK_GUARD) return;
  throw new TinytrainError('STACK_OVERFLOW', `the stack was used up: all of its ${stackBytes} B were written`, {
    reserved: stackBytes,
    painted: stackPainted,
    help: [
      'functions of app/ that call deeper need more: make STACK_EXTRA=1024',
      'so may another compiler than GCC 12',
    ],
  });
}

async function exercise(bench: Bench, steps: number, predictions: number): Promise<Found> {
  const { device, session, data, identity } = bench;
  await device.reset();
  const trained = await trainBoth(bench, steps);
  const [saved, state] = [await device.save(), call(() => session.state())];
  const [checksum, hostChecksum] = [sha256(saved.state), sha256(state)];
  const compared = trained ?? compare('trainable state at the end', checksum, hostChecksum);
  const predicted = compared ? { device: 0, host: 0 } : await predictBoth(bench, data.test, predictions);
  const difference = compared ?? ('difference' in predicted ? (predicted as Predicted).difference : undefined);
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

function predicted(program: Program, table: CostTable | undefined, target: string): number | null {
  try {
    return instructionsOfStep(program, table, target);
  } catch (error) {
    if (error instanceof TinytrainError && error.code === 'COSTS_MISSING') return null;
    throw error;
  }
}

async function costsOf(
  program: Program,
  data: SampleSet,
  target: string,
  table: CostTable | undefined,
  { signal, onProgress }: RunFirmwareOptions,
): Promise<CostTable> {
  onProgress?.({ phase: 'calibration', done: 0, total: 1 });
  const measured = await measureSteps(program, data, target, signal);
  onProgress?.({ phase: 'calibration', done: 1, total: 1 });
  const shipped = costTable(target);
  return calibrated({ core: shipped.core, costs: { ...shipped.costs, ...table?.costs } }, measured);
}

/**
 * Runs a firmware folder in QEMU or on a board: builds it, compares what was linked with the plan, trains on real samples and predicts, and compares
 * everything with the host, step by step. Whatever was started is ended, whatever happens.
 */
export async function runFirmware(folder: string, options: RunFirmwareOptions = {}): Promise<RunFirmwareResult> {
  const { signal, onProgress } = options;
  const began = performance.now();
  const manifest = await openFirmware(folder);
  const compiler = await requireTool('compiler');
  const { data, program } = await rebuild(folder, manifest, {
    signal,
    onProgress: onProgress && (({ done, total }) => onProgress({ phase: 'samples', done, total })),
  });
  onProgress?.({ phase: 'build', done: 0, total: 2 });
  const linked = await link(folder, manifest, signal);
  onProgress?.({ phase: 'build', done: 1, total: 2 });
  const { calibrate } = options;
  const target = targetOf(folder, manifest);
  const table = calibrate === true ? undefined : calibrate;
  const costs = calibrate ? await costsOf(program, data, target, table, options) : null;
  const steps = options.steps ?? STEPS;
  const predictions = Math.min(options.predictions ?? PREDICTIONS, data.test.size);
  const device = new Device(await connect(folder, target, options), { signal });
  try {
    const identity = await identified(device, program);
    const session = call(() => new (native().Session)(program.handle));
    const found = await exercise({ device, identity, session, program, data, target, options }, steps, predictions);
    return {
      ...found,
      target: manifest.target,
      program: program.hash,
      steps,
      planned: { sram: manifest.memory.sram.total, flash: manifest.memory.flash.total },
      linked,
      predictedInstructions: predicted(program, table, target),
      costs,
      seconds: (performance.now() - began) / 1000,
      compiler,
    };
  } finally {
    await device.close();
  }
}
