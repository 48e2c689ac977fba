import { crc32 } from 'node:zlib';

/** The protocol's version. */
export const protocolVersion = 3;

/** Requests; a reply has the same number + 0x80. */
export const requests = {
  identify: 1,
  predict: 2,
  train: 3,
  save: 4,
  load: 5,
  counters: 6,
  reset: 7,
  row: 8,
  check: 9,
  schedule: 10,
  step: 11,
  replay: 12,
  keep: 0x10,
} as const;

const REPLY = 0x80;
const ERROR = 0xff;
const HEADER = 16;
const CRC = 4;
const magic = Buffer.from([0x54, 0x54, 0xa5, 0x5a]);

/** A frame. */
export interface Frame {
  readonly type: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

/** Whether a frame answers a request. */
export function isReply({ type }: Frame, request: number): boolean {
  return type === (request | REPLY);
}

/** Whether a frame rejects a request. */
export function isError({ type }: Frame): boolean {
  return type === ERROR;
}

/** A frame's bytes. */
export function encode(type: number, sequence: number, payload: Uint8Array, version: number = protocolVersion): Buffer {
  const frame = Buffer.alloc(HEADER + payload.length + CRC);
  magic.copy(frame);
  frame.writeUInt8(version, 4);
  frame.writeUInt8(type, 5);
  frame.writeUInt16LE(sequence, 6);
  frame.writeUInt32LE(payload.length, 8);
  frame.writeUInt32LE(crc32(frame.subarray(0, 12)), 12);
  frame.set(payload, HEADER);
  frame.writeUInt32LE(crc32(payload), HEADER + payload.length);
  return frame;
}

/** Extracts frames from a stream of bytes; other bytes are skipped. */
export class Decoder {
  #chunks: Buffer[] = [];
  #length = 0;
  #wanted = HEADER;

  /** Whether a frame has begun and is incomplete: its header was valid, so the number of missing bytes is known. */
  get receiving(): boolean {
    return this.#wanted > HEADER;
  }

  /** Adds received bytes; returns the frames that are now complete. */
  push(bytes: Buffer): Frame[] {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    if (this.#length < this.#wanted) return [];
    let buffer = Buffer.concat(this.#chunks);
    const frames: Frame[] = [];
    for (;;) {
      const at = buffer.indexOf(magic.subarray(0, 1));
      buffer = at < 0 ? Buffer.alloc(0) : buffer.subarray(at);
      this.#wanted = HEADER;
      if (buffer.length < HEADER) break;
      const length = frameLength(buffer);
      if (length === undefined) {
        buffer = buffer.subarray(1);
        continue;
      }
      this.#wanted = length;
      if (buffer.length < length) break;
      const frame = decode(buffer.subarray(0, length));
      if (frame) frames.push(frame);
      buffer = buffer.subarray(length);
    }
    this.#chunks = [buffer];
    this.#length = buffer.length;
    return frames;
  }
}

/** Bytes of the frame that begins here, if one does. */
function frameLength(buffer: Buffer): number | undefined {
  const valid = buffer.subarray(0, 4).equals(magic) && crc32(buffer.subarray(0, 12)) === buffer.readUInt32LE(12);
  return valid ? HEADER + buffer.readUInt32LE(8) + CRC : undefined;
}

function decode(bytes: Buffer): Frame | undefined {
  const payload = Buffer.from(bytes.subarray(HEADER, bytes.length - CRC));
  if (crc32(payload) !== bytes.readUInt32LE(bytes.length - CRC)) return undefined;
  return { type: bytes.readUInt8(5), sequence: bytes.readUInt16LE(6), payload };
}
