/** A small seeded generator in 32-bit integer arithmetic: it yields the same numbers everywhere. */
export class Random {
  private state: number;

  /** Creates the generator for a tuple of integers, such as (seed, split, class, index). */
  constructor(...keys: readonly number[]) {
    this.state = keys.reduce((hash, key) => mix((hash ^ Math.imul(key + 1, 0x85ebca6b)) | 0), 0x9e3779b9 | 0);
  }

  /** The next 32 bits. */
  bits(): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    return mix(this.state) >>> 0;
  }

  /** Uniform in [lo, hi). */
  range(lo: number, hi: number): number {
    return lo + (hi - lo) * (this.bits() / 0x100000000);
  }

  /** An integer from lo to hi, inclusive. */
  whole(lo: number, hi: number): number {
    return lo + (this.bits() % (hi - lo + 1));
  }

  chance(probability: number): boolean {
    return this.range(0, 1) < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.bits() % items.length];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  /** Approximately normal with mean 0 and standard deviation 1: the sum of the four bytes of one draw. */
  normal(): number {
    const b = this.bits();
    return ((b & 255) + ((b >>> 8) & 255) + ((b >>> 16) & 255) + (b >>> 24) - 510) / 147.8;
  }
}

function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
  return h ^ (h >>> 15);
}
