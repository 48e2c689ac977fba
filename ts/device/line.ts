/** A line of bytes to a device, in both directions. */
export interface Line {
  /** What is at the other end, for messages. */
  readonly name: string;
  /** Sends bytes; resolves when they are on their way. */
  write(bytes: Uint8Array): Promise<void>;
  /** Who is told of bytes that come in. There is one. */
  onData(listener: (bytes: Buffer) => void): void;
  /** Who is told, once, that nothing more will come, and why. */
  onEnd(listener: (why: string) => void): void;
  /** Milliseconds so far in which the other end could not run because others held the processors; a line that cannot tell leaves it out. */
  starvedMs?(): number;
  /** Ends it, and whatever process stands behind it. Never fails. */
  close(): Promise<void>;
}
