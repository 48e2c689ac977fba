import test, { type ExecutionContext } from 'ava';
import { decodeImage, TinytrainError } from '#tinytrain';
import { damaged } from '../../helpers/damage.js';
import { pixels, plainInput } from '../../helpers/input.js';

/** Two rows of three pixels, from the upper left: red, green, blue; white, black, a colour of its own. */
const picture = [
  [255, 0, 0],
  [0, 255, 0],
  [0, 0, 255],
  [255, 255, 255],
  [0, 0, 0],
  [16, 32, 99],
];
const input = plainInput(2, 3);

interface Bmp {
  readonly bits: number;
  readonly row: (pixels: readonly number[][]) => number[];
  readonly width?: number;
  readonly height?: number;
  readonly compression?: number;
  /** Between header and pixels: masks or a palette. */
  readonly between?: readonly number[];
  readonly down?: boolean;
}

const word = (value: number, bytes: number) =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) & 255);

/** A BMP with a header of 40 bytes. */
function bmp({ bits, row, width = 3, height = 2, compression = 0, between = [], down = false }: Bmp): Uint8Array {
  const rows = [picture.slice(0, 3), picture.slice(3)].map(pixels => {
    const bytes = row(pixels);
    return [...bytes, ...new Array((4 - (bytes.length % 4)) % 4).fill(0)];
  });
  const data = (down ? rows : rows.reverse()).flat();
  const offset = 54 + between.length;
  const rest = [...word(compression, 4), ...word(data.length, 4), ...new Array(16).fill(0), ...between, ...data];
  const sizes = [...word(width, 4), ...word(down ? -height : height, 4), ...word(1, 2), ...word(bits, 2)];
  return Uint8Array.from([0x42, 0x4d, ...word(0, 8), ...word(offset, 4), ...word(40, 4), ...sizes, ...rest]);
}

const bgr = (pixels: readonly number[][]) => pixels.flatMap(([r = 0, g = 0, b = 0]) => [b, g, r]);
const palette = picture.flatMap(([r = 0, g = 0, b = 0]) => [b, g, r, 0]);
const places = (pixels: readonly number[][]) => pixels.map(pixel => picture.indexOf(pixel));
const to565 = ([r = 0, g = 0, b = 0]: number[]) => ((r >> 3) << 11) | ((g >> 2) << 5) | (b >> 3);

async function decoded(bytes: Uint8Array, name = 'image'): Promise<number[]> {
  return pixels(await decodeImage(bytes, input, {}, name));
}

async function refused(t: ExecutionContext, bytes: Uint8Array, message: RegExp, name = 'image'): Promise<void> {
  const error = await t.throwsAsync(decodeImage(bytes, input, {}, name), { instanceOf: TinytrainError });
  t.is(error.code, 'IMAGE_CORRUPT');
  t.regex(error.message, message);
}

test('BMPs of 4, 8, 24 and 32 bits, from below and from above', async t => {
  const kinds: Record<string, Uint8Array> = {
    24: bmp({ bits: 24, row: bgr }),
    'from above': bmp({ bits: 24, row: bgr, down: true }),
    32: bmp({ bits: 32, row: p => p.flatMap(([r = 0, g = 0, b = 0]) => [b, g, r, 77]) }),
    8: bmp({ bits: 8, row: places, between: palette }),
    4: bmp({
      bits: 4,
      row: p => [(places(p)[0] ?? 0) * 16 + (places(p)[1] ?? 0), (places(p)[2] ?? 0) * 16],
      between: palette,
    }),
  };
  for (const [kind, bytes] of Object.entries(kinds)) t.deepEqual(await decoded(bytes), picture.flat(), kind);
});

test('a BMP of 16 bits, with and without masks', async t => {
  const wanted = picture.slice(0, 5).flat();
  const five = bmp({
    bits: 16,
    row: p => p.flatMap(([r = 0, g = 0, b = 0]) => word(((r >> 3) << 10) | ((g >> 3) << 5) | (b >> 3), 2)),
  });
  t.deepEqual((await decoded(five)).slice(0, 15), wanted);
  const masks = [0xf800, 0x7e0, 0x1f].flatMap(mask => word(mask, 4));
  const six = bmp({ bits: 16, compression: 3, between: masks, row: p => p.flatMap(pixel => word(to565(pixel), 2)) });
  t.deepEqual(await decoded(six), [...wanted, 16, 32, 99]);
});

test('a BMP of one bit is black and white by its palette', async t => {
  const bytes = bmp({
    bits: 1,
    row: p => [places(p).reduce((sum, place, x) => sum | ((place & 1) << (7 - x)), 0)],
    between: [9, 8, 7, 0, 3, 2, 1, 0],
  });
  t.deepEqual(await decoded(bytes), [7, 8, 9, 1, 2, 3, 7, 8, 9, 1, 2, 3, 7, 8, 9, 1, 2, 3]);
});

test('PPM and PGM, in bytes and in digits, of 8 and 16 bits, with comments', async t => {
  const text = (head: string, values: readonly number[]) => Buffer.concat([Buffer.from(head), Buffer.from(values)]);
  const flat = picture.flat();
  t.deepEqual(await decoded(text('P6\n# by a camera\n3 2\n255\n', flat)), flat);
  t.deepEqual(await decoded(Buffer.from(`P3 3 2 255 ${flat.join(' ')}`)), flat);
  const wide = flat.flatMap(value => [value, value]);
  t.deepEqual(await decoded(text('P6 3 2 65535\n', wide)), flat);
  const grey = [0, 50, 100, 150, 200, 250];
  const three = grey.flatMap(value => [value, value, value]);
  t.deepEqual(await decoded(text('P5 3 2 255\n', grey)), three);
  t.deepEqual(
    await decoded(Buffer.from(`P2\n3 2\n5\n${grey.map(value => value / 50).join('\n')}\n`)),
    grey.flatMap(v => new Array(3).fill((v / 50) * 51)),
  );
});

test('a dump of RGB565 has its size from the input, its name or a camera, and its order from its name', async t => {
  const values = picture.map(to565);
  const big = Uint8Array.from(values.flatMap(value => [value >> 8, value & 255]));
  const little = Uint8Array.from(values.flatMap(value => [value & 255, value >> 8]));
  const wanted = [...picture.slice(0, 5).flat(), 16, 32, 99];
  t.deepEqual(await decoded(big, 'a.rgb565'), wanted);
  t.deepEqual(await decoded(little, 'a.RGB565LE'), wanted);
  t.deepEqual(await decoded(big, 'shot-3x2.rgb565'), wanted);
  const camera = new Uint8Array(160 * 120 * 2).fill(255);
  t.deepEqual(await decoded(camera, 'a.rgb565'), new Array(18).fill(255));
  await refused(t, big, /its name says 4x2, which is 16 bytes of RGB565; it has 12/, 'shot-4x2.rgb565');
  await refused(t, big.subarray(1), /RGB565 of 11 bytes is of no known size/, 'a.rgb565');
});

test('what cannot be decoded is told in one sentence', async t => {
  const good = bmp({ bits: 24, row: bgr });
  await refused(t, good.subarray(0, 70), /the BMP ends before its 3x2 pixels do/);
  await refused(t, good.subarray(0, 40), /the BMP ends within its header/);
  await refused(t, bmp({ bits: 24, row: bgr, width: 2 ** 30 }), /the BMP says that it has 1073741824x2 pixels/);
  await refused(
    t,
    bmp({ bits: 8, row: places, compression: 1, between: palette }),
    /a BMP with compression 1; save it without/,
  );
  await refused(
    t,
    bmp({ bits: 8, row: places, between: palette.slice(0, 8) }),
    /a pixel of colour \d, its palette has 2/,
  );
  await refused(t, Buffer.from('P6 100000 100000 255\n'), /the PNM says that it has 100000x100000 pixels/);
  await refused(t, Buffer.from('P6 300 200 255\nabc'), /the PNM ends before its 300x200 pixels do/);
  await refused(t, Buffer.from('P2 3 2 5\n1 2 3 4 5 6'), /a value of 6, above its largest, 5/);
  await refused(t, Buffer.from('P5 3 x 255\n'), /the PNM has no height at byte 5/);
  const heic = Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1');
  await refused(t, heic, /a photograph in HEIC, which cannot be read here; save it as JPEG$/);
  await refused(t, new Uint8Array(), /the file is empty/);
});

test('damaged BMP, PNM and RGB565 give an image or one sentence, never anything else', async t => {
  const seeds: [string, Uint8Array][] = [
    ['a', bmp({ bits: 24, row: bgr })],
    ['a', bmp({ bits: 8, row: places, between: palette })],
    [
      'a',
      bmp({
        bits: 16,
        compression: 3,
        between: [0xf800, 0x7e0, 0x1f].flatMap(mask => word(mask, 4)),
        row: p => p.flatMap(pixel => word(to565(pixel), 2)),
      }),
    ],
    ['a', Buffer.from(`P3 3 2 255 ${picture.flat().join(' ')}`)],
    ['a', Buffer.concat([Buffer.from('P6 3 2 65535\n'), Buffer.alloc(36, 7)])],
    ['a.rgb565', new Uint8Array(12)],
  ];
  const counts = { decoded: 0, refused: 0 };
  for (const [i, [name, bytes]] of seeds.entries()) {
    for (const bad of damaged(bytes, 400, i)) {
      try {
        t.is((await decodeImage(bad, input, {}, name)).length, 18);
        counts.decoded++;
      } catch (error) {
        if (!(error instanceof TinytrainError)) throw error;
        t.is(error.code, 'IMAGE_CORRUPT');
        t.notRegex(error.message, /\n|undefined|NaN|RangeError|Offset|bounds|Invalid/);
        counts.refused++;
      }
    }
  }
  t.log(counts);
  t.true(counts.decoded > 300 && counts.refused > 300);
});
