import { checkPixels, type Raster } from './raster.js';

/** Kinds by the digit behind `P`: channels, and whether values are written in digits. */
const kinds: Readonly<Record<string, { readonly channels: number; readonly digits: boolean }>> = {
  2: { channels: 1, digits: true },
  3: { channels: 3, digits: true },
  5: { channels: 1, digits: false },
  6: { channels: 3, digits: false },
};

const SPACE = new Set([9, 10, 11, 12, 13, 32]);
const HASH = 35;
const NEWLINE = 10;

/** Reads decimal numbers one after another, over white space and comments. */
class Numbers {
  readonly #bytes: Uint8Array;
  at = 2;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(what: string): number {
    const bytes = this.#bytes;
    for (;;) {
      if (SPACE.has(bytes[this.at] ?? 0)) this.at++;
      else if (bytes[this.at] === HASH) while (this.at < bytes.length && bytes[this.at] !== NEWLINE) this.at++;
      else break;
    }
    const from = this.at;
    let value = 0;
    for (let digit = (bytes[this.at] ?? 0) - 48; digit >= 0 && digit <= 9; digit = (bytes[this.at] ?? 0) - 48) {
      value = Math.min(value * 10 + digit, 2 ** 32);
      this.at++;
    }
    if (this.at === from) throw new Error(`the PNM has no ${what} at byte ${from}`);
    return value;
  }
}

/** Whether a file begins like a PGM or PPM. */
export function isNetpbm(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && String.fromCharCode(bytes[1] ?? 0) in kinds && SPACE.has(bytes[2] ?? 0);
}

/** Decodes a PGM or PPM with 8 or 16 bits a value, in bytes (P5, P6) or digits (P2, P3). Throws an error whose message says what is wrong with the file. */
export function readNetpbm(bytes: Uint8Array): Raster {
  const { channels = 1, digits = false } = kinds[String.fromCharCode(bytes[1] ?? 0)] ?? {};
  const numbers = new Numbers(bytes);
  const [width, height, most] = [numbers.next('width'), numbers.next('height'), numbers.next('largest value')];
  checkPixels('PNM', width, height);
  if (most < 1 || most > 65535) throw new Error(`the PNM says that its largest value is ${most}`);
  const count = width * height * channels;
  const wide = most > 255;
  // One byte of white space ends the header; in digits, a value takes at least two bytes, the last one may take one.
  const from = numbers.at + 1;
  const least = digits ? 2 * count - 1 : count * (wide ? 2 : 1);
  if (from + least > bytes.length) throw new Error(`the PNM ends before its ${width}x${height} pixels do`);
  const data = new Uint8Array(count);
  const value = (i: number): number => {
    if (digits) return numbers.next('value');
    return wide ? ((bytes[from + 2 * i] ?? 0) << 8) | (bytes[from + 2 * i + 1] ?? 0) : (bytes[from + i] ?? 0);
  };
  for (let i = 0; i < count; i++) {
    const found = value(i);
    if (found > most) throw new Error(`the PNM has a value of ${found}, above its largest, ${most}`);
    data[i] = Math.round((found * 255) / most);
  }
  return { width, height, channels, data };
}
