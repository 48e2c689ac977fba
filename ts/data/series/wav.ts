import type { Table } from './rows.js';

/** Formats of samples. */
const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

interface Sound {
  readonly format: number;
  readonly channels: number;
  readonly rate: number;
  readonly bits: number;
}

function soundOf(bytes: Buffer, at: number, size: number): Sound {
  if (size < 16) throw new Error('the .wav does not say its format');
  const format = bytes.readUInt16LE(at);
  const inner = format === EXTENSIBLE && size >= 26 ? bytes.readUInt16LE(at + 24) : format;
  const [channels, rate, bits] = [bytes.readUInt16LE(at + 2), bytes.readUInt32LE(at + 4), bytes.readUInt16LE(at + 14)];
  return { format: inner, channels, rate, bits };
}

function readerOf(bytes: Buffer, { format, bits }: Sound): (at: number) => number {
  if (format === PCM && bits === 8) return at => bytes.readUInt8(at) - 128;
  if (format === PCM && bits === 16) return at => bytes.readInt16LE(at);
  if (format === PCM && bits === 24) return at => bytes.readIntLE(at, 3);
  if (format === PCM && bits === 32) return at => bytes.readInt32LE(at);
  if (format === FLOAT && bits === 32) return at => bytes.readFloatLE(at);
  if (format === FLOAT && bits === 64) return at => bytes.readDoubleLE(at);
  throw new Error(
    `the .wav has format ${format} with ${bits} bits; supported: PCM with 8, 16, 24 or 32 bits, float with 32 or 64`,
  );
}

/** Reads a sound: a row for each moment, a column for each channel. Throws an error whose message says what is wrong. */
export function readWav(bytes: Buffer): Table {
  const word = (at: number) => bytes.subarray(at, at + 4).toString('latin1');
  if (bytes.length < 12 || word(0) !== 'RIFF' || word(8) !== 'WAVE')
    throw new Error('not a .wav file: it does not begin with RIFF and WAVE');
  let sound: Sound | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const [name, size, from] = [word(at), bytes.readUInt32LE(at + 4), at + 8];
    if (from + size > bytes.length) {
      throw new Error(
        `the .wav says that its part ${JSON.stringify(name)} has ${size} bytes; the file holds ${bytes.length - from}`,
      );
    }
    if (name === 'fmt ') sound = soundOf(bytes, from, size);
    if (name === 'data') {
      if (!sound) throw new Error('the .wav does not say its format');
      const { format, channels, rate, bits } = sound;
      if (channels < 1) throw new Error('the .wav has no channels');
      const [read, width] = [readerOf(bytes, sound), bits / 8];
      const rows = Math.floor(size / (width * channels));
      if (rows === 0) throw new Error('there is no sound in it');
      const values = Float64Array.from({ length: rows * channels }, (_, i) => read(from + width * i));
      const full = format === FLOAT ? 1 : 2 ** (bits - 1);
      return { rows, rowLength: channels, columns: channels, values, rate, full };
    }
    // Parts begin at even places.
    at = from + size + (size % 2);
  }
  throw new Error('there is no sound in it');
}
