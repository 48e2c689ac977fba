import { checkPixels, type Raster } from './raster.js';

/** Number of bits that a mask selects, and the place of the lowest. */
interface Mask {
  readonly shift: number;
  readonly most: number;
}

/** Compression of the header: none, or none with masks that say where a colour's bits are. */
const PLAIN = 0;
const MASKS = [3, 6];
/** The masks that a file of 16 or 32 bits has without saying so. */
const USUAL: Readonly<Record<number, readonly number[]>> = {
  16: [0x7c00, 0x3e0, 0x1f, 0],
  32: [0xff0000, 0xff00, 0xff, 0],
};

function maskOf(mask: number): Mask {
  if (mask === 0) return { shift: 0, most: 0 };
  const shift = 31 - Math.clz32(mask & -mask);
  return { shift, most: mask >>> shift };
}

/** A colour of 0 to 255 from the bits that a mask selects; 0 where it selects none. */
function colour(pixel: number, { shift, most }: Mask): number {
  return most === 0 ? 0 : Math.round((((pixel >>> shift) & most) >>> 0) * (255 / most));
}

interface Header {
  readonly width: number;
  readonly height: number;
  /** Whether the first row in the file is the uppermost. */
  readonly down: boolean;
  readonly bits: number;
  /** Where the pixels begin. */
  readonly offset: number;
  /** Masks of red, green, blue and alpha, for 16 and 32 bits. */
  readonly masks: readonly Mask[];
  /** Where the palette begins, and the bytes of an entry. */
  readonly palette: { readonly at: number; readonly bytes: number };
}

function headerOf(file: DataView): Header {
  const size = file.getUint32(14, true);
  const offset = file.getUint32(10, true);
  if (size === 12) {
    const [width, height] = [file.getUint16(18, true), file.getUint16(20, true)];
    return {
      width,
      height,
      down: false,
      bits: file.getUint16(24, true),
      offset,
      masks: [],
      palette: { at: 26, bytes: 3 },
    };
  }
  if (size < 40) throw new Error(`a BMP header of ${size} bytes is unknown`);
  const [width, height, bits] = [file.getInt32(18, true), file.getInt32(22, true), file.getUint16(28, true)];
  const compression = file.getUint32(30, true);
  if (compression !== PLAIN && !MASKS.includes(compression)) {
    throw new Error(`a BMP with compression ${compression}; save it without compression`);
  }
  const given = compression !== PLAIN;
  if (given && file.byteLength < 70) throw new Error('the BMP ends within its header');
  const masks = [0, 1, 2, 3].map(i => {
    if (!given) return USUAL[bits]?.[i] ?? 0;
    // Alpha is among the masks of compression 6 and of longer headers only.
    return i === 3 && compression === 3 && size < 56 ? 0 : file.getUint32(54 + 4 * i, true);
  });
  const palette = { at: 14 + size + (given && size === 40 ? 12 : 0), bytes: 4 };
  return { width, height: Math.abs(height), down: height < 0, bits, offset, masks: masks.map(maskOf), palette };
}

/** Red, green, blue (and alpha) of a pixel, read at column `x` of the row that begins at `row`. */
function pixelReader(
  file: DataView,
  { bits, masks, palette, offset }: Header,
): (row: number, x: number) => readonly number[] {
  const bgr = (at: number) => [file.getUint8(at + 2), file.getUint8(at + 1), file.getUint8(at)];
  if (bits === 24) return (row, x) => bgr(row + 3 * x);
  if (bits === 16 || bits === 32) {
    const used = masks[3]?.most ? masks : masks.slice(0, 3);
    const at = bits === 16 ? (i: number) => file.getUint16(i, true) : (i: number) => file.getUint32(i, true);
    return (row, x) => {
      const pixel = at(row + (bits / 8) * x);
      return used.map(mask => colour(pixel, mask));
    };
  }
  const entries = Math.min(2 ** bits, Math.max(0, Math.floor((offset - palette.at) / palette.bytes)));
  const colours = Array.from({ length: entries }, (_, i) => bgr(palette.at + palette.bytes * i));
  const perByte = 8 / bits;
  return (row, x) => {
    const byte = file.getUint8(row + Math.floor(x / perByte));
    const index = (byte >> (8 - bits * ((x % perByte) + 1))) & (2 ** bits - 1);
    const found = colours[index];
    if (!found) throw new Error(`the BMP has a pixel of colour ${index}, its palette has ${entries}`);
    return found;
  };
}

/** Whether a file begins like a BMP. */
export function isBmp(bytes: Uint8Array): boolean {
  return bytes[0] === 0x42 && bytes[1] === 0x4d && bytes.length >= 26;
}

/**
 * Decodes an uncompressed BMP: 1, 4, 8, 16, 24 or 32 bits, of Windows or OS/2, from below or above. Throws an error whose message says what is wrong with
 * the file; nothing is allocated before the size that the header claims has been compared with that of the file.
 */
export function readBmp(bytes: Uint8Array): Raster {
  const file = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 54 && file.getUint32(14, true) !== 12) throw new Error('the BMP ends within its header');
  const header = headerOf(file);
  const { width, height, down, bits, offset } = header;
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw new Error(`a BMP of ${bits} bits a pixel is unknown`);
  checkPixels('BMP', width, height);
  const stride = Math.ceil((bits * width) / 32) * 4;
  if (offset < 26 || offset + stride * height > bytes.length) {
    throw new Error(`the BMP ends before its ${width}x${height} pixels do`);
  }
  const read = pixelReader(file, header);
  const channels = read(offset, 0).length;
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const row = offset + stride * (down ? y : height - 1 - y);
    for (let x = 0; x < width; x++) data.set(read(row, x), (y * width + x) * channels);
  }
  return { width, height, channels, data };
}
