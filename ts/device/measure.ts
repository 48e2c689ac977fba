import type { Dataset, SampleSet } from '../data/dataset.js';
import { defaultRate } from '../defaults.js';
import type { Emulator } from '../emit/board.js';
import { aborted, TinytrainError } from '../errors.js';
import { inTemporaryFolder } from '../files.js';
import { recordOf } from '../native.js';
import { type Work, workOf } from '../program/costs.js';
import type { Program } from '../program/program.js';
import type { Connection } from './connection.js';
import { scheduleBytes } from './device.js';
import { firmwareFiles, writeFirmware } from './firmware.js';
import { instructionsOf, startQemu } from './qemu.js';
import { standInOf } from './stand-in.js';
import { build, requireTool } from './toolchain.js';

/** Number of training steps that are counted; the instructions of a step hardly depend on its sample. */
export const measuredSteps = 2;

/** A step of a Program, and its instructions. */
export interface MeasuredStep extends Work {
  readonly label: string;
  readonly instructions: number;
}

/** Settings for measuring steps. */
export interface MeasureOptions {
  readonly signal?: AbortSignal | undefined;
  /** A folder that keeps the project, for the next Program to be built faster; a temporary one by default. */
  readonly folder?: string | undefined;
  /** Further arguments of QEMU for an ELF file. */
  readonly more?: ((elf: string) => Promise<readonly string[]>) | undefined;
  /** Called after the steps, while the ELF file is still there. */
  readonly after?: ((elf: string) => Promise<void>) | undefined;
}

/** The answers of a process, one after the other. */
class Answers {
  readonly #connection: Connection;
  #chunks: Buffer[] = [];
  #wake: () => void = () => {};
  #ended: string | undefined;

  constructor(connection: Connection, signal: AbortSignal | undefined) {
    this.#connection = connection;
    connection.onData(bytes => {
      this.#chunks.push(bytes);
      this.#wake();
    });
    connection.onEnd(why => {
      this.#ended = why;
      this.#wake();
    });
    signal?.addEventListener('abort', () => this.#wake(), { once: true });
  }

  async read(count: number, signal: AbortSignal | undefined): Promise<Buffer> {
    for (;;) {
      if (signal?.aborted) throw aborted('the calibration', signal);
      const bytes = Buffer.concat(this.#chunks);
      if (bytes.length >= count) {
        this.#chunks = [bytes.subarray(count)];
        return bytes.subarray(0, count);
      }
      if (this.#ended !== undefined)
        throw new TinytrainError('DEVICE_GONE', `${this.#connection.name} ended: ${this.#ended}`);
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }
}

/** Instructions between marks, without the cost of the marks themselves. */
function between(answer: Buffer, steps: number, emulator: Emulator): { steps: number[]; rest: number } {
  const word = (i: number) => answer.readUInt32LE(4 * i);
  const clockHz = word(steps + 4);
  const taken = (from: number, to: number) => instructionsOf((word(to) - word(from)) >>> 0, clockHz, emulator);
  const own = taken(steps + 2, steps + 3);
  const each = Array.from({ length: steps }, (_, i) => taken(i, i + 1) - own);
  const before = taken(steps + 1, 0) - own;
  const after = taken(steps, steps + 2) - own;
  return { steps: each, rest: before + after };
}

async function exchange(
  connection: Connection,
  program: Program,
  samples: Dataset,
  emulator: Emulator,
  signal: AbortSignal | undefined,
) {
  const answers = new Answers(connection, signal);
  const steps = program.record.steps.length;
  const count = Math.min(measuredSteps, samples.size);
  const found: ReturnType<typeof between>[] = [];
  await connection.write(scheduleBytes({ head: defaultRate, backbone: defaultRate, steps: count, done: 0 }));
  for (let step = 0; step < count; step++) {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(samples.labels[step] ?? 0, 0);
    const sample = samples.sample(step);
    await connection.write(Buffer.concat([head, Buffer.from(sample.buffer, sample.byteOffset, sample.byteLength)]));
    found.push(between(await answers.read(4 * (steps + 5), signal), steps, emulator));
  }
  return found;
}

/**
 * Counts the guest instructions of each step of a Program on a board's core in QEMU, on the first training samples, in a project of its own.
 * The last entry contains the instructions that belong to no step.
 */
export async function measureSteps(
  program: Program,
  data: SampleSet,
  target: string,
  options: MeasureOptions = {},
): Promise<readonly MeasuredStep[]> {
  const { signal } = options;
  await requireTool('qemu');
  const board = standInOf(target);
  const measure = async (folder: string) => {
    await writeFirmware(folder, await firmwareFiles(program, data, target, { marks: true }));
    const elf = await build(folder, board.name, signal);
    const connection = await startQemu(elf, board.emulator, { more: await options.more?.(elf) });
    try {
      const found = await exchange(connection, program, data.train, board.emulator, signal);
      await options.after?.(elf);
      const mean = (value: (one: ReturnType<typeof between>) => number) =>
        found.reduce((sum, one) => sum + value(one), 0) / found.length;
      const steps = workOf(program).map((work, i) => ({
        ...work,
        label: program.record.steps[i]?.label ?? '',
        instructions: mean(one => one.steps[i] ?? 0),
      }));
      const rest = recordOf<Work>(program.handle.restWork());
      return [...steps, { ...rest, label: rest.kind, instructions: mean(one => one.rest) }];
    } finally {
      await connection.close();
    }
  };
  return options.folder === undefined ? inTemporaryFolder('calibrate', measure) : measure(options.folder);
}
