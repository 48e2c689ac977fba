import { execFile } from 'node:child_process';
import { createReadStream, createWriteStream, promises as fs, type ReadStream, type WriteStream } from 'node:fs';
import { promisify } from 'node:util';
import { fileError, messageOf, TinytrainError } from '../errors.js';
import type { Connection } from './connection.js';

/** Bits per second, unless the firmware was built with another rate. */
export const defaultBaud = 115200;

/** A serial port of the system, such as `/dev/ttyACM0`. */
export class SerialConnection implements Connection {
  readonly name: string;
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  #closing = false;

  private constructor(path: string) {
    this.name = path;
    this.#input = createReadStream(path);
    this.#output = createWriteStream(path, { flags: 'r+' });
    this.#output.on('error', () => {});
  }

  /** Opens a port: raw, 8 bits, no parity, no flow control. */
  static async open(path: string, baud: number = defaultBaud): Promise<SerialConnection> {
    try {
      await fs.access(path);
    } catch (error) {
      throw fileError(error, path, 'the port cannot be opened');
    }
    const device = process.platform === 'darwin' ? '-f' : '-F';
    const settings = [String(baud), 'raw', '-echo', 'cs8', '-parenb', '-cstopb', '-crtscts', 'clocal'];
    try {
      await promisify(execFile)('stty', [device, path, ...settings]);
    } catch (error) {
      throw new TinytrainError('PORT_FAILED', `${path}: stty: ${messageOf(error)}`, { path, baud }, error);
    }
    return new SerialConnection(path);
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#output.write(bytes, error => (error ? reject(error) : resolve()));
    });
  }

  onData(listener: (bytes: Buffer) => void): void {
    this.#input.on('data', data => listener(Buffer.from(data)));
  }

  onEnd(listener: (why: string) => void): void {
    this.#input.once('error', error => this.#closing || listener(error.message));
    this.#input.once('end', () => this.#closing || listener('the port was closed'));
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#input.destroy();
    this.#output.destroy();
  }
}
