/** A bidirectional stream of bytes to a device. */
export interface Connection {
  /** Name of the other end, for messages. */
  readonly name: string;
  /** Sends bytes; resolves when they are on their way. */
  write(bytes: Uint8Array): Promise<void>;
  /** Sets the only listener for received bytes. */
  onData(listener: (bytes: Buffer) => void): void;
  /** Sets the listener that is called once when the stream ends, with the reason. */
  onEnd(listener: (why: string) => void): void;
  /** Milliseconds so far in which the other end could not run because other processes occupied the processors; absent if unknown. */
  starvedMs?(): number;
  /** Closes the connection and ends the process behind it, if any. Never fails. */
  close(): Promise<void>;
}
