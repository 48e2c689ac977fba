import { constants, promises as fs } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { SerialPort } from 'serialport';
import { fileError, messageOf, TinytrainError } from '../errors.js';
import { check } from '../kinds.js';
import { options } from '../options.js';
import type { Connection } from './connection.js';

/** The ports of this computer, in words, as help where one cannot be opened. */
async function knownPorts(): Promise<string[]> {
  const ports = await SerialPort.list().catch(() => []);
  if (ports.length === 0) return ['this computer has no serial port'];
  const text = (port: (typeof ports)[number]) =>
    [port.path, port.manufacturer, port.serialNumber].filter(Boolean).join('  ');
  return ['the ports of this computer:', ...ports.map(port => `  ${text(port)}`)];
}

/** A serial port of the system, such as `/dev/ttyACM0` or `COM3`. */
export class SerialConnection implements Connection {
  readonly name: string;
  readonly #port: SerialPort;
  #closing = false;

  private constructor(port: SerialPort) {
    this.name = port.path;
    this.#port = port;
    // An error of a write reaches its caller, one of the port is followed by `close`.
    port.on('error', () => {});
  }

  /**
   * Opens a port: raw, 8 bits, no parity, no flow control; no other program may use it. Only for the main thread of a process. Throws `PORT_FAILED`; its
   * help lists the ports that there are.
   */
  static async open(path: string, baud: number = options.baud.default): Promise<SerialConnection> {
    check('baud', options.baud.kind, baud);
    // The binding of `serialport` 13 puts every port on the main thread's event loop; a worker's port would end the process.
    if (!isMainThread) {
      throw new TinytrainError('PORT_FAILED', `${path}: ports can be opened on the main thread only`, { path });
    }
    const failed = async (message: string, cause: unknown) =>
      new TinytrainError('PORT_FAILED', message, { path, baud, help: await knownPorts() }, cause);
    // Windows has no file for a port.
    if (process.platform !== 'win32') {
      await fs.access(path, constants.R_OK | constants.W_OK).catch(async error => {
        throw await failed(fileError(error, path, 'the port cannot be opened').message, error);
      });
    }
    const port = new SerialPort({ path, baudRate: baud, autoOpen: false });
    await new Promise<void>((resolve, reject) => port.open(error => (error ? reject(error) : resolve()))).catch(
      async error => {
        const why = /lock/i.test(messageOf(error)) ? 'another program uses it' : messageOf(error);
        throw await failed(`${path}: the port cannot be opened: ${why}`, error);
      },
    );
    return new SerialConnection(port);
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#port.write(Buffer.from(bytes), error => (error ? reject(error) : resolve()));
    });
  }

  onData(listener: (bytes: Buffer) => void): void {
    this.#port.on('data', listener);
  }

  onEnd(listener: (why: string) => void): void {
    this.#port.once('close', () => this.#closing || listener('the port disappeared'));
  }

  async close(): Promise<void> {
    this.#closing = true;
    if (!this.#port.isOpen) return;
    // What has not been sent would otherwise be waited for.
    await new Promise<void>(resolve => this.#port.flush(() => resolve()));
    await new Promise<void>(resolve => this.#port.close(() => resolve()));
  }
}
