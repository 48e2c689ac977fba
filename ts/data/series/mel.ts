import { TinytrainError } from '../../errors.js';
import { thousands } from '../../format.js';
import { call, type MelTables, native } from '../../native.js';
import type { Table } from './rows.js';

/** A log-mel spectrogram: how a sound becomes rows of features; see `mel` of `crates/spec`. */
export interface Front {
  readonly kind: 'mel';
  /** Values of the sound a second. */
  readonly rate: number;
  /** Milliseconds of a frame. */
  readonly window: number;
  /** Milliseconds from one frame to the next. */
  readonly stride: number;
  /** Features of a frame. */
  readonly channels: number;
  /** Where the first channel begins and the last one ends, in Hz. */
  readonly low: number;
  readonly high: number;
}

/** The same as far as it is given. */
export type FrontOptions = Pick<Front, 'kind'> & { readonly [K in keyof Omit<Front, 'kind'>]?: Front[K] | undefined };

/** Those of the micro front end of TensorFlow Lite for Microcontrollers. */
const usual = { window: 30, stride: 20, channels: 40, low: 125, high: 7500 };

/** A front end in the terms of `crates/spec`. */
function melOf({ rate, window, stride, channels, low, high }: Front) {
  const values = (ms: number) => Math.round((rate * ms) / 1000);
  return { rate, length: values(window), stride: values(stride), channels, low, high };
}

/** The front end with what is not given: as usual, but below half the rate as 7,500 Hz are below 8,000. Throws `INPUT_INVALID` for one that is none. */
export function frontOf(
  { kind, rate, ...given }: FrontOptions,
  found?: number | undefined,
  place?: string,
): Front | undefined {
  const known = rate ?? found;
  if (known === undefined) return undefined;
  const high = Math.min(usual.high, Math.floor((known * 15) / 32));
  const { window = usual.window, stride = usual.stride, channels = usual.channels, low = usual.low } = given;
  const front = { kind, rate: known, window, stride, channels, low, high: given.high ?? high };
  tablesOf(front, place);
  return front;
}

/** What firmware needs of a front end: its sizes, and its tables. */
export interface FrontTables extends MelTables {
  /** Values of a frame. */
  readonly length: number;
  /** Values from one frame to the next. */
  readonly stride: number;
  readonly channels: number;
}

/** The tables of a front end. Throws `INPUT_INVALID` for one that is none. */
export function tablesOf(front: Front, place?: string): FrontTables {
  const mel = melOf(front);
  const { length, stride, channels } = mel;
  return { ...call(() => native().melTables(mel), place), length, stride, channels };
}

/** Bytes of SRAM of a `tt_mel` (`tt_mel.c` asserts it), and of its constants in flash beside its code. */
export function frontBytes({ length, points, window, cosines, ends, weights }: FrontTables) {
  const logarithms = 4 * 33;
  return {
    sram: 4 * points + 4 + 4 * Math.ceil(length / 2),
    flash: window.byteLength + cosines.byteLength + ends.byteLength + weights.byteLength + logarithms,
  };
}

/** A sound as int16, of which `full` is the value of the loudest. */
function soundOf({ values, full = 32768 }: Table): Int16Array {
  return Int16Array.from(values, value => Math.max(-32768, Math.min(32767, Math.floor((value / full) * 32768 + 0.5))));
}

/** The rows of features of a sound. Throws an error whose message says why there are none, and `RECORDING_RATE` for one of another rate. */
export function spectrogram(path: string, table: Table, front: Front): Table {
  if (table.rate !== undefined && table.rate !== front.rate) {
    const what = `${path}: ${thousands(table.rate)} values a second, where the spectrograms are those of ${thousands(front.rate)}`;
    throw new TinytrainError('RECORDING_RATE', what, {
      path,
      found: table.rate,
      expected: front.rate,
      help: ['bring all recordings to one rate, that of the device: sox IN.wav -r 16000 OUT.wav'],
    });
  }
  if (table.rowLength !== 1) throw new Error(`${table.rowLength} columns; a spectrogram is made of one`);
  const mel = melOf(front);
  const features = call(() => native().melFeatures(mel, soundOf(table)));
  const rows = features.length / mel.channels;
  if (rows === 0) throw new Error(`${thousands(table.rows)} values; a frame has ${thousands(mel.length)}`);
  return { rows, rowLength: mel.channels, columns: mel.channels, values: Float64Array.from(features) };
}

/** A front end as the command line writes it. */
export function frontText({ kind, ...given }: FrontOptions): string {
  const parts = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  return parts.length > 0 ? `${kind}:${parts.join(',')}` : kind;
}
