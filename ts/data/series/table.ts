import { messageOf, TinytrainError } from '../../errors.js';
import { readWhole } from '../../files.js';
import type { Front } from '../../options.js';
import { extensionOf } from '../kind.js';
import { readCsv } from './csv.js';
import { readNpy } from './npy.js';
import type { Table } from './rows.js';
import { spectrogram } from './sound.js';
import { readWav } from './wav.js';

/** Most bytes of a recording's file. */
const MOST_BYTES = 2 ** 28;
/** Most bytes of values that are kept. */
const MOST_KEPT = 2 ** 27;

const readers: Readonly<Record<string, (bytes: Buffer) => Table>> = {
  '.npy': readNpy,
  '.csv': readCsv,
  '.wav': readWav,
};

/**
 * Reads the bytes of a recording's file, as a spectrogram with a front end. Throws `RECORDING_CORRUPT` for one that cannot be read, or has a value that is no
 * number, and `RECORDING_RATE`.
 */
export async function parseTable(path: string, bytes: () => Promise<Buffer>, front?: Front): Promise<Table> {
  try {
    const read = readers[extensionOf(path)];
    if (!read) throw new Error('expected: .npy, .csv or .wav');
    const table = read(await bytes());
    if (table.values.length === 0) throw new Error('there are no numbers in it');
    const bad = table.values.findIndex(value => !Number.isFinite(value));
    if (bad >= 0) throw new Error(`value ${bad + 1} is ${table.values[bad]}`);
    return front ? spectrogram(path, table, front) : table;
  } catch (error) {
    if (error instanceof TinytrainError && error.code === 'RECORDING_RATE') throw error;
    const what = `${path}: not a recording that can be read: ${messageOf(error)}`;
    throw new TinytrainError('RECORDING_CORRUPT', what, { path, help: ['remove or replace it'] }, error);
  }
}

/** Reads a recording, as a spectrogram with a front end. Throws `RECORDING_CORRUPT`, `RECORDING_RATE`. */
export function readTable(path: string, front?: Front): Promise<Table> {
  return parseTable(path, () => readWhole(path, MOST_BYTES), front);
}

/** Recordings, read once while they are near at hand: the windows of one are wanted one after another. */
export class Tables {
  readonly #front: Front | undefined;
  readonly #kept = new Map<string, Promise<Table>>();
  #bytes = 0;

  constructor(front?: Front) {
    this.#front = front;
  }

  get(path: string): Promise<Table> {
    const found = this.#kept.get(path);
    if (found) return found;
    const table = readTable(path, this.#front);
    this.#kept.set(path, table);
    table.then(
      ({ values }) => this.#keep(values.byteLength, path),
      () => {},
    );
    return table;
  }

  /** Lets the oldest go where there are too many. */
  async #keep(bytes: number, newest: string): Promise<void> {
    this.#bytes += bytes;
    for (const [path, table] of this.#kept) {
      if (this.#bytes <= MOST_KEPT || path === newest) return;
      this.#kept.delete(path);
      this.#bytes -= (await table.catch(() => undefined))?.values.byteLength ?? 0;
    }
  }
}
