/** Rows of interleaved 8-bit channels. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** Most pixels of an image whose file states its size. */
const MOST_PIXELS = 2 ** 26;

/** Throws for a size that no image has. */
export function checkPixels(format: string, width: number, height: number): void {
  if (width < 1 || height < 1 || width * height > MOST_PIXELS) {
    throw new Error(`the ${format} says that it has ${width}x${height} pixels`);
  }
}

/** Fraction bits of a weight: a sum of two weights times 255 stays within 31 bits. */
const FRACTION = 22;

interface Tap {
  readonly first: number;
  readonly second: number;
  readonly weight: number;
}

/** For each position on the longer axis, its two neighbours on the shorter one, with pixel centres aligned and the edge repeated. */
function taps(from: number, to: number): Tap[] {
  return Array.from({ length: to }, (_, i) => {
    const at = ((i + 0.5) * from) / to - 0.5;
    const first = Math.floor(at);
    const weight = Math.round((at - first) * 2 ** FRACTION);
    return { first: Math.max(0, first), second: Math.min(from - 1, first + 1), weight };
  });
}

function blend(a: number, b: number, weight: number): number {
  return (a * (2 ** FRACTION - weight) + b * weight + 2 ** (FRACTION - 1)) >> FRACTION;
}

function widen(image: Raster, width: number): Raster {
  const { height, channels } = image;
  const data = new Uint8Array(width * height * channels);
  for (const [x, tap] of taps(image.width, width).entries()) {
    for (let y = 0; y < height; y++) {
      const row = y * image.width * channels;
      for (let c = 0; c < channels; c++) {
        const a = image.data[row + tap.first * channels + c] ?? 0;
        const b = image.data[row + tap.second * channels + c] ?? 0;
        data[(y * width + x) * channels + c] = blend(a, b, tap.weight);
      }
    }
  }
  return { width, height, channels, data };
}

function heighten(image: Raster, height: number): Raster {
  const row = image.width * image.channels;
  const data = new Uint8Array(row * height);
  for (const [y, tap] of taps(image.height, height).entries()) {
    for (let i = 0; i < row; i++) {
      const a = image.data[tap.first * row + i] ?? 0;
      const b = image.data[tap.second * row + i] ?? 0;
      data[y * row + i] = blend(a, b, tap.weight);
    }
  }
  return { ...image, height, data };
}

/**
 * Enlarges an image bilinearly, columns first. sharp shrinks with aligned pixel centres but enlarges with aligned corners, which is off by half a source
 * pixel; the two must not differ, so enlarging is done here. The result equals Pillow's BILINEAR bit for bit.
 */
export function enlarge(image: Raster, width: number, height: number): Raster {
  const wide = image.width < width ? widen(image, width) : image;
  return wide.height < height ? heighten(wide, height) : wide;
}

/** A `width` x `height` window at the centre of an image; positions outside the image are `fill`. */
export function center(image: Raster, width: number, height: number, fill: number): Raster {
  if (image.width === width && image.height === height) return image;
  const { channels } = image;
  const data = new Uint8Array(width * height * channels).fill(fill);
  const left = Math.floor((image.width - width) / 2);
  const top = Math.floor((image.height - height) / 2);
  const from = Math.max(0, left);
  const to = Math.min(image.width, left + width);
  for (let y = Math.max(0, top); y < Math.min(image.height, top + height); y++) {
    const start = (y * image.width + from) * channels;
    const row = image.data.subarray(start, start + (to - from) * channels);
    data.set(row, ((y - top) * width + from - left) * channels);
  }
  return { width, height, channels, data };
}

/** One grey channel from red, green and blue, with the weights of ITU-R BT.601 applied to the stored values, rounded to nearest. */
export function greyOf(image: Raster): Raster {
  const { width, height, channels, data } = image;
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) {
    const [r, g, b] = [data[i * channels] ?? 0, data[i * channels + 1] ?? 0, data[i * channels + 2] ?? 0];
    grey[i] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
  }
  return { width, height, channels: 1, data: grey };
}
