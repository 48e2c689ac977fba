import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { savedFrame, savedHeader } from '../emit/saved.js';
import { aborted, TinytrainError } from '../errors.js';
import { options as all, checkOptions, optionTable } from '../options.js';
import type { PeakRates, Rates } from '../rates.js';
import type { Connection } from './connection.js';
import { Decoder, encode, type Frame, isError, isReply, requests } from './frames.js';
import { lookEveryMs, Patience } from './patience.js';

/** The identification of a device. */
export interface Identity {
  /** SHA-256 of its Program. */
  readonly program: string;
  /** Rows, columns, channels. */
  readonly shape: readonly [number, number, number];
  readonly classes: number;
  readonly inputBytes: number;
  readonly stateBytes: number;
  readonly savedBytes: number;
  readonly arenaBytes: number;
  /** Bytes reserved; 0 if unknown. */
  readonly stackBytes: number;
  /** Ticks of its clock per second. */
  readonly clockHz: number;
  readonly longestPayload: number;
  /** Whether samples come row by row. */
  readonly byRows: boolean;
  readonly board: string;
}

/** The result of a training step on the device. */
export interface DeviceStep {
  /** Q15.16 */
  readonly loss: number;
  readonly predicted: number;
  readonly saturated: number;
  readonly steps: number;
  /** CRC-32 of the trainable state after the step. */
  readonly checksum: number;
}

/** Counters of a device. */
export interface Counters {
  readonly steps: number;
  readonly saturated: number;
  /** Ticks of the last inference and the last training step. */
  readonly inferenceTicks: number;
  readonly trainTicks: number;
  /** Bytes of stack used so far; 0 if unknown. */
  readonly stackPainted: number;
  /** Number of rejected frames. */
  readonly refused: number;
  readonly checksum: number;
  /** Steps of its schedule of learning rates, and how many of them it has taken; 0 of 0 if it has none. */
  readonly schedule: Pick<Schedule, 'steps' | 'done'>;
}

/** How the learning rates of a device go over a number of steps, as on the host: a rise over a tenth of them to the peaks, then a cosine down to zero. */
export interface Schedule extends PeakRates {
  readonly steps: number;
  /** How many of them have been taken. */
  readonly done: number;
}

/** What a device finds when it checks itself. */
export interface Health {
  /** Whether the trainable state is what the last step left. Where it was not, the device has put it back since. */
  readonly state: boolean;
  /** Whether the constants in flash are those of the Program; a device with others neither predicts nor trains. */
  readonly constants: boolean;
  /** How often the state was put back since the last reset: from flash, or to the initial one. */
  readonly restored: number;
  /** Faults that reset the device since its power was switched on, and where and why the last one was; undefined if there was none. */
  readonly fault?: { readonly count: number; readonly place: number; readonly cause: number } | undefined;
}

/** The content of a saved state. */
export interface SavedState {
  readonly steps: number;
  readonly saturated: number;
  readonly program: string;
  readonly schedule: Schedule;
  readonly state: Buffer;
}

/** Samples are sent as int8, or as bytes from 0 to 255 that the device quantises; where they come row by row, as a camera's RGB565 or grey as well. */
export type SampleFormat = 'int8' | 'rgb888' | 'rgb565' | 'grey';

/** A schedule as a device has it in memory (`tt_schedule`). */
export function scheduleBytes({ head, backbone, steps, done }: Schedule): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeDoubleLE(head, 0);
  bytes.writeDoubleLE(backbone, 8);
  bytes.writeUInt32LE(steps, 16);
  bytes.writeUInt32LE(done, 20);
  return bytes;
}

/** Learning rates as a device takes them: mantissa and exponent of the head's, then of the backbone's. */
function rateBytes({ head, backbone }: Rates): Buffer {
  const bytes = Buffer.alloc(16);
  [head, backbone].forEach(({ mantissa, exponent }, i) => {
    bytes.writeUInt32LE(mantissa, 8 * i);
    bytes.writeInt32LE(exponent, 8 * i + 4);
  });
  return bytes;
}

/** The meaning of the status in an error reply. */
const refusals: Readonly<Record<number, string>> = {
  1: 'a null pointer',
  2: 'no such sample format',
  3: 'no such class',
  4: 'not a learning rate in fixed point',
  5: 'the transfer failed',
  6: 'not a saved state, or a damaged one',
  7: 'a state of another program',
  8: 'loading failed halfway: the state is now the initial one',
  9: 'not all rows of the sample have come in, or too many',
  10: 'a bit of the trainable state had changed in memory; the device goes on from the state in its flash, or from its initial one',
  11: 'a bit of the constants in flash has changed: write the firmware again',
  12: 'no schedule of learning rates has steps left',
  13: 'no sample has been kept yet',
  64: 'bytes that are not a frame',
  65: 'a frame was incomplete',
  66: 'the payload was damaged on the way',
  67: 'another version of the protocol',
  68: 'no such request',
  69: 'the payload does not have the expected length',
};

const MAGIC = 0x53545454;
const SAVED_FORMAT = 2;
/** The first wait until an unanswered greeting is sent again; each further one is twice as long, so that one of them outlasts any device's idle time. */
const GREET_AGAIN_MS = 1000;

function refusal(frame: Frame, name: string): TinytrainError {
  const [status, request, detail] = [0, 4, 8].map(at => frame.payload.readUInt32LE(at));
  const why = refusals[status ?? 0] ?? `status ${status}`;
  return new TinytrainError('DEVICE_REFUSED', `${name} rejected the request: ${why}`, { status, request, detail });
}

interface Waiting {
  readonly request: number;
  readonly sequence: number;
  readonly resolve: (payload: Buffer) => void;
  readonly reject: (error: Error) => void;
}

/** Options for communicating with a device. */
export interface DeviceOptions {
  /**
   * How long a device may be silent before it has answered: 60 s by default. Any part of a reply restarts the time; time in which an emulator could not
   * run does not count.
   */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const deviceOptions = optionTable<DeviceOptions>({ timeoutMs: all.timeoutMs, signal: all.signal });

/** A device that implements the protocol. Only one request at a time. */
export class Device {
  readonly #connection: Connection;
  readonly #timeout: number;
  readonly #signal: AbortSignal | undefined;
  readonly #decoder = new Decoder();
  #waiting: Waiting | undefined;
  /** Whether a part of a frame has arrived since the last check. */
  #progress = false;
  /** Begins anywhere, so that no answer to an earlier connection passes for one to this. */
  #sequence = randomInt(0xffff);
  #ended: string | undefined;
  /** In how many parts a sample is sent; known once the device has been identified. */
  #parts: number | undefined;
  /** Error replies that answer no request, caused by garbage on the serial port. */
  readonly strays: TinytrainError[] = [];

  constructor(connection: Connection, options: DeviceOptions = {}) {
    checkOptions(deviceOptions, options);
    const { timeoutMs = all.timeoutMs.default, signal } = options;
    this.#connection = connection;
    this.#timeout = timeoutMs;
    this.#signal = signal;
    connection.onData(bytes => {
      for (const frame of this.#decoder.push(bytes)) this.#take(frame);
      this.#progress ||= this.#decoder.receiving;
    });
    connection.onEnd(why => {
      this.#ended = why;
      this.#waiting?.reject(this.#gone());
    });
  }

  /**
   * Identifies the device. It may still wait for the rest of a frame that another program began, and takes for it what it is sent; so the request is
   * repeated until it is answered.
   */
  async identify(): Promise<Identity> {
    const p = await this.request(requests.identify, new Uint8Array(), GREET_AGAIN_MS);
    const word = (i: number) => p.readUInt32LE(32 + 4 * i);
    const text = p.subarray(76).toString('latin1');
    const inputBytes = word(0) * word(1) * word(2);
    const byRows = word(4) < inputBytes;
    this.#parts = byRows ? word(0) : 1;
    return {
      program: p.subarray(0, 32).toString('hex'),
      shape: [word(0), word(1), word(2)],
      classes: word(3),
      inputBytes,
      stateBytes: word(5),
      savedBytes: word(6),
      arenaBytes: word(7),
      stackBytes: word(8),
      clockHz: word(9),
      longestPayload: word(10),
      byRows,
      board: text.slice(0, Math.max(0, text.indexOf('\0'))),
    };
  }

  /** Predicts the class of a sample, and the probability of every class in Q0.31. */
  async predict(
    sample: Int8Array | Uint8Array,
    format: SampleFormat = 'int8',
  ): Promise<{ readonly predicted: number; readonly scores: readonly number[] }> {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(formats[format], 0);
    const p = await this.request(requests.predict, Buffer.concat([head, await this.#sent(sample, format)]));
    const scores = Array.from({ length: p.length / 4 - 1 }, (_, i) => p.readUInt32LE(4 + 4 * i));
    return { predicted: p.readUInt32LE(0), scores };
  }

  /** Begins a schedule of learning rates, which counts the steps that are taken by it. */
  async beginSchedule({ head, backbone }: PeakRates, steps: number): Promise<void> {
    await this.request(requests.schedule, scheduleBytes({ head, backbone, steps, done: 0 }).subarray(0, 20));
  }

  /** Trains on one sample, with these rates or with those of the schedule. */
  async train(
    sample: Int8Array | Uint8Array,
    label: number,
    rates: Rates | 'scheduled',
    format: SampleFormat = 'int8',
  ): Promise<DeviceStep> {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(formats[format], 0);
    head.writeUInt32LE(label, 4);
    const sent = await this.#sent(sample, format);
    const p =
      rates === 'scheduled'
        ? await this.request(requests.step, Buffer.concat([head, sent]))
        : await this.request(requests.train, Buffer.concat([head, rateBytes(rates), sent]));
    return stepOf(p);
  }

  /** Trains on a sample that the device has kept, with these rates or with those of the schedule. Throws `DEVICE_REFUSED` if there is none. */
  async replay(rates: Rates | 'scheduled'): Promise<DeviceStep & { readonly label: number }> {
    const p = await this.request(requests.replay, rates === 'scheduled' ? undefined : rateBytes(rates));
    return { ...stepOf(p), label: p.readUInt32LE(20) };
  }

  /** The sample as a part of a request: all of it, or nothing, its rows having been sent before. */
  async #sent(sample: Int8Array | Uint8Array, format: SampleFormat): Promise<Buffer> {
    if (this.#parts === undefined) await this.identify();
    const bytes = bytesOf(sample);
    const { length } = bytes;
    const row = length / (this.#parts ?? 1);
    if (row === length) return bytes;
    for (let at = 0; at < length; at += row) {
      const head = Buffer.alloc(8);
      head.writeUInt32LE(formats[format], 0);
      head.writeUInt32LE(at === 0 ? 1 : 0, 4);
      await this.request(requests.row, Buffer.concat([head, bytes.subarray(at, at + row)]));
    }
    return Buffer.alloc(0);
  }

  /** Reads the trained state. */
  async save(): Promise<SavedState> {
    return parseSaved(await this.request(requests.save));
  }

  /** Restores a trained state, completely or not at all. */
  async load(saved: SavedState): Promise<void> {
    await this.request(requests.load, encodeSaved(saved));
  }

  /** Counters, and the stack used so far. */
  async counters(): Promise<Counters> {
    const p = await this.request(requests.counters);
    const word = (i: number) => p.readUInt32LE(4 * i);
    return {
      steps: word(0),
      saturated: word(1) + word(2) * 2 ** 32,
      inferenceTicks: word(3),
      trainTicks: word(4),
      stackPainted: word(5),
      refused: word(6),
      checksum: word(7),
      schedule: { steps: word(8), done: word(9) },
    };
  }

  /** Makes the device check its state and its constants. */
  async check(): Promise<Health> {
    const p = await this.request(requests.check);
    const word = (i: number) => p.readUInt32LE(4 * i);
    const count = word(3);
    return {
      state: word(0) === 0,
      constants: word(1) === 0,
      restored: word(2),
      ...(count > 0 && { fault: { count, place: word(4), cause: word(5) } }),
    };
  }

  /** Resets to the initial state. */
  async reset(): Promise<void> {
    await this.request(requests.reset);
  }

  /**
   * Saves the trained state where it survives a reset. Throws `DEVICE_REFUSED` where the firmware has no store, and where its flash fails; a device is silent
   * while it erases flash.
   */
  async keep(): Promise<Pick<Counters, 'steps' | 'checksum'>> {
    const p = await this.request(requests.keep);
    return { steps: p.readUInt32LE(0), checksum: p.readUInt32LE(4) };
  }

  /** Sends a request of any kind and waits for its reply; with `againMs`, repeats it after this time, then after twice that, and so on. */
  async request(type: number, payload: Uint8Array = new Uint8Array(), againMs?: number): Promise<Buffer> {
    this.#sequence = (this.#sequence % 0xffff) + 1;
    return this.raw(encode(type, this.#sequence, payload), type, this.#sequence, againMs);
  }

  /** Sends raw bytes and waits for the reply to request `type` with number `sequence`. */
  async raw(bytes: Uint8Array, type: number, sequence: number, againMs?: number): Promise<Buffer> {
    if (this.#ended !== undefined) throw this.#gone();
    if (this.#signal?.aborted) throw aborted('the exchange with the device', this.#signal);
    let timer: NodeJS.Timeout | undefined;
    let repeat: NodeJS.Timeout | undefined;
    const abort = () => this.#waiting?.reject(aborted('the exchange with the device', this.#signal));
    this.#signal?.addEventListener('abort', abort, { once: true });
    try {
      return await new Promise<Buffer>((resolve, reject) => {
        this.#waiting = { request: type, sequence, resolve, reject };
        const patience = new Patience(this.#timeout, performance.now(), this.#starved());
        timer = setInterval(() => {
          if (patience.isOver(performance.now(), this.#starved(), this.#progress)) reject(this.#silent());
          this.#progress = false;
        }, lookEveryMs(this.#timeout));
        const send = (waitMs: number | undefined) => {
          this.#connection.write(bytes).catch(reject);
          if (waitMs !== undefined) repeat = setTimeout(() => send(2 * waitMs), waitMs);
        };
        send(againMs);
      });
    } finally {
      clearInterval(timer);
      clearTimeout(repeat);
      this.#waiting = undefined;
      this.#signal?.removeEventListener('abort', abort);
    }
  }

  /** Closes the connection. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  #starved(): number {
    return this.#connection.starvedMs?.() ?? 0;
  }

  #take(frame: Frame): void {
    const waiting = this.#waiting;
    if (waiting && frame.sequence === waiting.sequence) {
      if (isReply(frame, waiting.request)) waiting.resolve(frame.payload);
      else if (isError(frame)) waiting.reject(refusal(frame, this.#connection.name));
    } else if (isError(frame)) {
      this.strays.push(refusal(frame, this.#connection.name));
    }
  }

  #gone(): TinytrainError {
    return new TinytrainError('DEVICE_GONE', `${this.#connection.name} ended: ${this.#ended}`, {
      line: this.#connection.name,
    });
  }

  #silent(): TinytrainError {
    const seconds = this.#timeout / 1000;
    return new TinytrainError('DEVICE_SILENT', `${this.#connection.name} did not answer within ${seconds} s`, {
      line: this.#connection.name,
      seconds,
      help: ['is this firmware on the board, and is the port the right one?'],
    });
  }
}

const formats: Readonly<Record<SampleFormat, number>> = { int8: 0, rgb888: 1, rgb565: 3, grey: 4 };

/** What a device answers to a training step. */
function stepOf(p: Buffer): DeviceStep {
  return {
    loss: p.readInt32LE(0),
    predicted: p.readUInt32LE(4),
    saturated: p.readUInt32LE(8),
    steps: p.readUInt32LE(12),
    checksum: p.readUInt32LE(16),
  };
}

function bytesOf(sample: Int8Array | Uint8Array): Buffer {
  return Buffer.from(sample.buffer, sample.byteOffset, sample.byteLength);
}

/** Parses the bytes written by `tt_save`; `name` is that of their source in the error. Throws `STATE_CORRUPT`. */
export function parseSaved(bytes: Buffer, name?: string): SavedState {
  const end = bytes.length - 4;
  const length = bytes.length >= savedFrame ? bytes.readUInt32LE(8) : -1;
  const valid =
    length === end - savedHeader && bytes.readUInt32LE(0) === MAGIC && bytes.readUInt32LE(4) === SAVED_FORMAT;
  if (!valid || crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) {
    const place = name === undefined ? '' : `${name}: `;
    throw new TinytrainError('STATE_CORRUPT', `${place}not a saved state, or a damaged one`, { path: name });
  }
  return {
    steps: bytes.readUInt32LE(12),
    saturated: Number(bytes.readBigUInt64LE(16)),
    program: bytes.subarray(24, 56).toString('hex'),
    schedule: {
      head: bytes.readDoubleLE(56),
      backbone: bytes.readDoubleLE(64),
      steps: bytes.readUInt32LE(72),
      done: bytes.readUInt32LE(76),
    },
    state: Buffer.from(bytes.subarray(savedHeader, end)),
  };
}

/** The bytes for `tt_load`. */
export function encodeSaved({ steps, saturated, program, schedule, state }: SavedState): Buffer {
  const bytes = Buffer.alloc(savedFrame + state.length);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(SAVED_FORMAT, 4);
  bytes.writeUInt32LE(state.length, 8);
  bytes.writeUInt32LE(steps, 12);
  bytes.writeBigUInt64LE(BigInt(saturated), 16);
  bytes.write(program, 24, 'hex');
  bytes.set(scheduleBytes(schedule), 56);
  bytes.set(state, savedHeader);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, savedHeader + state.length)), savedHeader + state.length);
  return bytes;
}
