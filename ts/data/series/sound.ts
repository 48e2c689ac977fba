import { TinytrainError } from '../../errors.js';
import { thousands } from '../../format.js';
import { call, native } from '../../native.js';
import type { Front, FrontOptions, MicroFront } from '../../options.js';
import type { FrontTables } from './front.js';
import type { Table } from './rows.js';

/** Those of the micro front end of TensorFlow Lite for Microcontrollers, as its example `micro_speech` has them. */
const usual = { window: 30, stride: 20, channels: 40, low: 125, high: 7500 };
const usualMicro = {
  smoothing: 10,
  even: 0.025,
  odd: 0.06,
  remaining: 0.05,
  pcan: 0.95,
  offset: 80,
  gain: 21,
  scale: 6,
};

/** Frames and channels in the terms of `crates/spec`. */
function framesOf({ rate, window, stride, channels, low, high }: Front) {
  const values = (ms: number) => Math.round((rate * ms) / 1000);
  return { rate, length: values(window), stride: values(stride), channels, low, high };
}

/** A micro front end in the terms of `crates/spec`. */
function microOf(front: MicroFront) {
  const { smoothing, even, odd, remaining, pcan, offset, gain, scale } = front;
  const control = pcan > 0 ? { gain: { strength: pcan, offset, bits: gain } } : {};
  return { frames: framesOf(front), smoothing, even, odd, remaining, ...control, scale };
}

/** The fields that are given. */
function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

/** The front end with what is not given: as usual, but below half the rate as 7,500 Hz are below 8,000. Throws `INPUT_INVALID` for one that is none. */
export function frontOf(options: FrontOptions, found?: number | undefined, place?: string): Front | undefined {
  const rate = options.rate ?? found;
  if (rate === undefined) return undefined;
  const frames = { ...usual, high: Math.min(usual.high, Math.floor((rate * 15) / 32)) };
  const front: Front =
    options.kind === 'mel'
      ? { ...frames, ...given(options), rate }
      : { ...frames, ...usualMicro, ...given(options), rate };
  tablesOf(front, place);
  return front;
}

/** Bytes of a front end's state beside points, noise and values, and of the logarithms that `tt_mel.c` has itself. */
const STATE = 4;
const LOGARITHMS = 4 * 33;

/** What firmware has of a front end. Throws `INPUT_INVALID` for one that is none. */
export function tablesOf(front: Front, place?: string): FrontTables {
  const frames = framesOf(front);
  const { length, stride, channels } = frames;
  const state = STATE + 4 * Math.ceil(length / 2);
  const sizesOf = (points: number, first: number, lines: number) =>
    [
      ['FRAME', length, 'values of a sound in a frame'],
      ['STRIDE', stride, 'values from one frame to the next'],
      ['POINTS', points, 'of the transform'],
      ['CHANNELS', channels, 'features of a frame'],
      ['FIRST', first, 'line of the spectrum'],
      ['LINES', lines, 'of the spectrum'],
    ] as const;
  if (front.kind === 'mel') {
    const { points, first, window, cosines, ends, weights } = call(() => native().melTables(frames), place);
    return {
      name: 'mel',
      sizes: sizesOf(points, first, weights.length),
      tables: [
        { name: 'window', length: '(TT_MEL_FRAME + 1) / 2', values: window },
        { name: 'cosines', length: 'TT_MEL_POINTS / 4 + 1', values: cosines },
        { name: 'ends', length: 'TT_MEL_CHANNELS + 1', values: ends },
        { name: 'weights', length: 'TT_MEL_LINES', values: weights },
      ],
      sram: state + 4 * points,
      constants: LOGARITHMS,
    };
  }
  const found = call(() => native().microTables(microOf(front)), place);
  const { points, first, window, cosines, ends, weights, logs, gains } = found;
  const [even = 0, odd = 0, remaining = 0] = found.shares;
  return {
    name: 'micro',
    sizes: [
      ...sizesOf(points, first, weights.length / 2),
      ['SMOOTHING', front.smoothing, "bits of the noise's fraction"],
      ['EVEN', even, 'of 2^14 of a frame become noise in channels 0, 2, 4 and so on'],
      ['ODD', odd, 'in the others'],
      ['REMAINING', remaining, 'of 2^14 of a signal remain'],
      ['CORRECTION', found.correction, 'bits by which a signal is shifted before its logarithm'],
      ['SCALE', front.scale, "log2 of a logarithm's unit"],
      ...(gains.length > 0
        ? ([['GAIN_SHIFT', found.gainShift, 'bits by which a signal times its gain is shifted']] as const)
        : []),
    ],
    tables: [
      { name: 'window', length: 'TT_MICRO_FRAME', values: window },
      { name: 'cosines', length: 'TT_MICRO_POINTS / 4 + 1', values: cosines },
      { name: 'ends', length: 'TT_MICRO_CHANNELS + 1', values: ends },
      { name: 'weights', length: '2 * TT_MICRO_LINES', values: weights },
      ...(gains.length > 0 ? [{ name: 'gains', length: String(gains.length), values: gains }] : []),
      { name: 'logs', length: String(logs.length), values: logs },
    ],
    sram: state + 2 * points + 4 * channels,
    constants: 0,
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
  const frames = framesOf(front);
  const { channels } = frames;
  const sound = soundOf(table);
  const features = call(() =>
    front.kind === 'mel' ? native().melFeatures(frames, sound) : native().microFeatures(microOf(front), sound),
  );
  const rows = features.length / channels;
  if (rows === 0) throw new Error(`${thousands(table.rows)} values; a frame has ${thousands(frames.length)}`);
  return { rows, rowLength: channels, columns: channels, values: Float64Array.from(features) };
}

/** A front end as the command line writes it. */
export function frontText({ kind, ...given }: FrontOptions): string {
  const parts = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  return parts.length > 0 ? `${kind}:${parts.join(',')}` : kind;
}
