/** Numbers from 0 to 2^32 - 1 that depend on the seed alone (xorshift32). */
export function numbers(seed: number): () => number {
  let state = (seed * 2654435761 + 88675123) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

/** Copies of a file, each damaged in one to four ways: bytes changed, words made extreme, the end cut off, a part doubled. */
export function* damaged(bytes: Uint8Array, count: number, seed: number): Generator<Uint8Array> {
  const next = numbers(seed + 1);
  for (let i = 0; i < count; i++) {
    let copy = Buffer.from(bytes);
    for (let ways = 1 + (next() % 4); ways > 0; ways--) {
      const at = next() % Math.max(1, copy.length);
      const way = next() % 5;
      if (copy.length === 0) break;
      if (way === 0) copy[at] = next() & 255;
      else if (way === 1) copy[at] = (copy[at] ?? 0) ^ (1 << (next() & 7));
      else if (way === 2) copy.fill([0, 255, 127, 128][next() & 3] ?? 0, at, Math.min(copy.length, at + 4));
      else if (way === 3) copy = copy.subarray(0, at);
      else copy = Buffer.concat([copy.subarray(0, at), copy.subarray(at >> 1)]);
    }
    yield copy;
  }
}
