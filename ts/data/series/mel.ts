import { TinytrainError } from '../../errors.js';
import { thousands } from '../../format.js';
import { call, native } from '../../native.js';
import type { Front, FrontOptions } from '../../options.js';
import type { FrontTables } from './front.js';
import type { Table } from './rows.js';

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

/** The tables of a front end. Throws `INPUT_INVALID` for one that is none. */
export function tablesOf(front: Front, place?: string): FrontTables {
  const mel = melOf(front);
  const { length, stride, channels } = mel;
  return { ...call(() => native().melTables(mel), place), length, stride, channels };
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
