import { deflateSync } from 'node:zlib';
import test from 'ava';
import sharp, { type Sharp } from 'sharp';
import { decodeImage } from '#tinytrain';
import { pixels, plainInput } from '../../helpers/input.js';

/** Left half red, right half blue, `width` x `height`. */
function halves(width: number, height: number): Sharp {
  const data = Buffer.alloc(width * height * 3);
  for (let i = 0; i < width * height; i++) data[i * 3 + (i % width < width / 2 ? 0 : 2)] = 255;
  return sharp(data, { raw: { width, height, channels: 3 } });
}

test('red, green and blue stay in this order and become int8 by the table', async t => {
  const png = await halves(4, 2).png().toBuffer();
  const image = await decodeImage(png, plainInput(2, 4));
  t.deepEqual(pixels(image).slice(0, 12), [255, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 255]);
});

test('each channel has its own table', async t => {
  const tables = [1, 2, 3].map(value => new Int8Array(256).fill(value));
  const image = await decodeImage(await halves(2, 1).png().toBuffer(), { ...plainInput(1, 2), tables });
  t.deepEqual([...image], [1, 2, 3, 1, 2, 3]);
});

test('EXIF orientation turns the image upright', async t => {
  // Orientation 6: to be shown turned by a quarter clockwise, so what is left in the file ends up at the top.
  const jpeg = await halves(32, 16)
    .withMetadata({ orientation: 6 })
    .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
    .toBuffer();
  const image = pixels(await decodeImage(jpeg, plainInput(32, 16)));
  const at = (y: number, x: number) => image.slice((y * 16 + x) * 3, (y * 16 + x) * 3 + 3).map(v => (v > 128 ? 1 : 0));
  t.deepEqual(
    [at(2, 3), at(2, 12), at(29, 3), at(29, 12)],
    [
      [1, 0, 0],
      [1, 0, 0],
      [0, 0, 1],
      [0, 0, 1],
    ],
  );
});

test('a grey image feeds three equal channels', async t => {
  const png = await sharp(Buffer.from([10, 200]), { raw: { width: 2, height: 1, channels: 1 } })
    .png()
    .toBuffer();
  t.deepEqual(pixels(await decodeImage(png, plainInput(1, 2))), [10, 10, 10, 200, 200, 200]);
});

test('a colour image feeds one channel by its luma', async t => {
  const data = Buffer.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 10, 10, 10]);
  const png = await sharp(data, { raw: { width: 5, height: 1, channels: 3 } })
    .png()
    .toBuffer();
  t.deepEqual(pixels(await decodeImage(png, plainInput(1, 5, 1))), [76, 150, 29, 255, 10]);
});

test('grey with alpha, and colour with alpha, are laid on white', async t => {
  const color = await sharp(Buffer.from([255, 0, 0, 255, 255, 0, 0, 0]), { raw: { width: 2, height: 1, channels: 4 } })
    .png()
    .toBuffer();
  t.deepEqual(pixels(await decodeImage(color, plainInput(1, 2))), [255, 0, 0, 255, 255, 255]);
  const grey = await sharp(Buffer.from([50, 255, 50, 0]), { raw: { width: 2, height: 1, channels: 2 } })
    .png()
    .toBuffer();
  t.deepEqual(pixels(await decodeImage(grey, plainInput(1, 2))), [50, 50, 50, 255, 255, 255]);
});

test('16 bits a channel become 8', async t => {
  const png = png16([0, 0x8080, 0xffff]);
  t.is((await sharp(png).metadata()).depth, 'ushort');
  t.deepEqual(pixels(await decodeImage(png, plainInput(1, 3))), [0, 0, 0, 128, 128, 128, 255, 255, 255]);
});

test('CMYK becomes RGB', async t => {
  const jpeg = await halves(16, 16).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
  t.is((await sharp(jpeg).metadata()).space, 'cmyk');
  const image = pixels(await decodeImage(jpeg, plainInput(16)));
  const [left, right] = [image.slice(3 * 3, 3 * 4), image.slice(12 * 3, 13 * 3)];
  t.is(image.length, 16 * 16 * 3);
  t.true((left[0] ?? 0) > 180 && (left[2] ?? 255) < 90, `red: ${left}`);
  t.true((right[2] ?? 0) > 100 && (right[0] ?? 255) < 100, `blue: ${right}`);
});

test('of an animation the first frame is taken', async t => {
  const frames = Buffer.concat([Buffer.alloc(4 * 4 * 3, 255), Buffer.alloc(4 * 4 * 3, 0)]);
  const gif = await sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
    .gif()
    .toBuffer();
  t.is((await sharp(gif).metadata()).pages, 2);
  t.true(pixels(await decodeImage(gif, plainInput(4))).every(value => value === 255));
});

test('JPEG, PNG, WebP, GIF, TIFF, AVIF and SVG are decoded', async t => {
  const source = halves(16, 16);
  const encoded = await Promise.all(
    (['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const).map(format => source.clone().toFormat(format).toBuffer()),
  );
  const svg = Buffer.from(
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16"><rect width="8" height="16" fill="#f00"/><rect x="8" width="8" height="16" fill="#00f"/></svg>',
  );
  for (const bytes of [...encoded, svg]) {
    const image = pixels(await decodeImage(bytes, plainInput(16)));
    t.true((image[6] ?? 0) > 200 && (image[13 * 3 + 2] ?? 0) > 200);
  }
});

test('stretch reduces and enlarges bilinearly, pixel centres aligned', async t => {
  const line = Buffer.from([0, 0, 0, 0, 200, 0, 0, 0]);
  const png = await sharp(line, { raw: { width: 8, height: 1, channels: 1 } })
    .png()
    .toBuffer();
  const wide = await decodeImage(png, plainInput(1, 32, 1));
  // What Pillow 12 gives for BILINEAR.
  t.deepEqual(pixels(wide).slice(12, 26), [0, 0, 25, 75, 125, 175, 175, 125, 75, 25, 0, 0, 0, 0]);
  const ramp = Buffer.from(Array.from({ length: 64 }, (_, i) => i * 4));
  const long = await sharp(ramp, { raw: { width: 64, height: 1, channels: 1 } })
    .png()
    .toBuffer();
  const small = pixels(await decodeImage(long, plainInput(1, 8, 1)));
  // Antialiased: a mean over the pixels that fall together, not one of them.
  t.true(
    small.slice(1, 7).every((value, i) => Math.abs(value - ((i + 1) * 32 + 14)) <= 1),
    `${small}`,
  );
});

test('cover cuts off what stands out, contain adds bars', async t => {
  const png = await halves(32, 16).png().toBuffer();
  const covered = pixels(await decodeImage(png, plainInput(16), { resize: 'cover' }));
  t.deepEqual(
    [covered.slice(0, 3), covered.slice(45, 48)],
    [
      [255, 0, 0],
      [0, 0, 255],
    ],
  );
  const contained = pixels(await decodeImage(png, plainInput(16), { resize: 'contain' }));
  const row = (y: number) => contained.slice(y * 48, y * 48 + 3);
  t.deepEqual(
    [row(3), row(4), row(11), row(12)],
    [
      [128, 128, 128],
      [255, 0, 0],
      [255, 0, 0],
      [128, 128, 128],
    ],
  );
});

test('an image of one pixel fills the input', async t => {
  const png = await sharp({ create: { width: 1, height: 1, channels: 3, background: '#102030' } })
    .png()
    .toBuffer();
  for (const policy of ['stretch', 'cover', 'contain'] as const) {
    t.deepEqual(pixels(await decodeImage(png, plainInput(3), { resize: policy })).slice(0, 3), [16, 32, 48]);
  }
});

test('a corrupt image is an error that names it', async t => {
  const noise = Buffer.from(Array.from({ length: 48 * 48 * 3 }, (_, i) => (i * 7919) % 251));
  const jpeg = await sharp(noise, { raw: { width: 48, height: 48, channels: 3 } })
    .jpeg()
    .toBuffer();
  const cut = jpeg.subarray(0, jpeg.length >> 1);
  for (const bytes of [cut, Buffer.from('no image'), Buffer.alloc(0)]) {
    const error = await t.throwsAsync(decodeImage(bytes, plainInput(8), {}, 'holiday.jpg'));
    t.is((error as { code?: string }).code, 'IMAGE_CORRUPT');
    t.regex(error.message, /^holiday\.jpg: /);
  }
});

/** A grey PNG of one row with 16 bits a pixel, written by hand: sharp writes 8 from raw bytes. */
function png16(values: readonly number[]): Buffer {
  const row = Buffer.alloc(1 + values.length * 2);
  for (const [i, value] of values.entries()) row.writeUInt16BE(value, 1 + i * 2);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(values.length, 0);
  header.writeUInt32BE(1, 4);
  header.set([16, 0, 0, 0, 0], 8);
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(row)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
