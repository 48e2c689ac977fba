import { encode, requests } from '#tinytrain/device/frames.js';

/** A small generator of pseudo-random numbers: the same frames every time. */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function noise(next: (below: number) => number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => next(256)));
}

/** Kinds of requests: all but `reset`, which would be obeyed where noise comes before it. */
const KINDS = Object.values(requests).filter(type => type !== requests.reset);

/** A request as it should be, of any kind; samples and states are noise. */
function request(next: (below: number) => number, inputBytes: number, savedBytes: number): Buffer {
  const type = KINDS[next(KINDS.length)] ?? 0;
  const lengths: Readonly<Record<number, number>> = {
    [requests.predict]: 4 + inputBytes,
    [requests.train]: 24 + inputBytes,
    [requests.load]: savedBytes,
    [requests.schedule]: 20,
    [requests.step]: 8 + inputBytes,
  };
  const payload = noise(next, lengths[type] ?? 0);
  // A training step whose format and rates would be accepted has a label that there is not.
  if (type === requests.train || type === requests.step) {
    payload.writeUInt32LE(0, 0);
    payload.writeUInt32LE(1000 + next(1e6), 4);
  }
  return encode(type, 1 + next(65535), payload);
}

const mutations: readonly ((frame: Buffer, next: (below: number) => number) => Buffer)[] = [
  // Some bits flipped.
  (frame, next) => {
    for (let i = 0; i <= next(8); i++) {
      const at = next(frame.length);
      frame.writeUInt8(frame.readUInt8(at) ^ (1 << next(8)), at);
    }
    return frame;
  },
  // Broken off.
  (frame, next) => frame.subarray(0, next(frame.length)),
  // A part left out.
  (frame, next) => {
    const at = next(frame.length);
    return Buffer.concat([frame.subarray(0, at), frame.subarray(at + 1 + next(40))]);
  },
  // Something in between.
  (frame, next) => {
    const at = next(frame.length);
    return Buffer.concat([frame.subarray(0, at), noise(next, 1 + next(40)), frame.subarray(at)]);
  },
  // Noise alone.
  (_, next) => noise(next, 1 + next(300)),
  // Another version; another type; a payload too long or too short, its checksums right.
  (_, next) => encode(requests.identify, 1, new Uint8Array(), 2 + next(250)),
  (_, next) => encode(8 + next(240), 1, noise(next, next(100))),
  (_, next) => encode(1 + next(7), 1, noise(next, 1 + next(100))),
  // A length that no frame has.
  (_, next) => {
    const frame = encode(1 + next(7), 1, new Uint8Array());
    frame.writeUInt32LE(0x80000000 + next(1e9), 8);
    return frame;
  },
];

/** A frame that must change nothing: random, or a good one spoiled. */
export function badFrame(next: (below: number) => number, inputBytes: number, savedBytes: number): Buffer {
  const mutate = mutations[next(mutations.length)];
  const frame = request(next, inputBytes, savedBytes);
  return mutate ? mutate(frame, next) : frame;
}
