import { join } from 'node:path';
import test from 'ava';
import { TinytrainError } from '#tinytrain';
import { parseTable, readTable } from '#tinytrain/data/series/table.js';
import { damaged } from '../../helpers/damage.js';
import { temporary, write } from '../../helpers/folder.js';
import { npy, wav } from '../../helpers/series.js';

test('an .npy of every type and byte order; the last axis is the columns', async t => {
  const folder = await temporary(t);
  const values = [1, -2, 3, 4, -5, 6, 7, 8, 9, 10, 11, 12];
  for (const type of ['|i1', '<i2', '>i2', '<i4', '>i4', '<i8', '<f4', '>f4', '<f8', '>f8']) {
    await write(folder, { 'a.npy': npy(values, [2, 3, 2], type) });
    const table = await readTable(join(folder, 'a.npy'));
    t.deepEqual({ ...table, values: [...table.values] }, { rows: 2, rowLength: 6, columns: 2, values }, type);
  }
  await write(folder, { 'a.npy': npy([200, 100], [2], '|u1') });
  const { rows, rowLength, columns, values: bytes } = await readTable(join(folder, 'a.npy'));
  t.deepEqual([rows, rowLength, columns, ...bytes], [2, 1, 1, 200, 100]);
});

test('a .csv with and without names, separated in any way, with comments and empty lines', async t => {
  const folder = await temporary(t);
  for (const text of [
    'aX,aY\n1,-2.5\n\n# by hand\n3e1,.5\n',
    '\ufeff1;-2.5\r\n30;0.5',
    '1\t-2.5\n30\t+0.5\n',
    '  1   -2.5\n 30 0.5',
  ]) {
    await write(folder, { 'a.csv': text });
    const table = await readTable(join(folder, 'a.csv'));
    t.deepEqual(
      { ...table, values: [...table.values] },
      { rows: 2, rowLength: 2, columns: 2, values: [1, -2.5, 30, 0.5] },
      text,
    );
  }
});

test('a .wav of 8, 16, 24 and 32 bits and of floats; other parts are passed over', async t => {
  const folder = await temporary(t);
  const values = [1, -2, 3, -4, 100, -100];
  for (const [bits, format] of [
    [8, 1],
    [16, 1],
    [24, 1],
    [32, 1],
    [32, 3],
    [64, 3],
  ] as const) {
    await write(folder, { 'a.wav': wav(values, { bits, format, channels: 2, odd: true }) });
    const table = await readTable(join(folder, 'a.wav'));
    t.deepEqual(
      { ...table, values: [...table.values] },
      { rows: 3, rowLength: 2, columns: 2, values, rate: 8000, full: format === 3 ? 1 : 2 ** (bits - 1) },
      `${bits} ${format}`,
    );
  }
});

const header = (text: string) => {
  const head = Buffer.from(`\x93NUMPY\x01\x00\0\0${text}`, 'latin1');
  head.writeUInt16LE(text.length, 8);
  return head;
};

test('what cannot be read is told in one sentence, before anything is allocated for it', async t => {
  const folder = await temporary(t);
  const sound = wav([1, 2, 3], { bits: 16, format: 1, channels: 1 });
  const lying = Buffer.from(sound);
  lying.writeUInt32LE(2 ** 31, 40);
  const cases: [string, string | Uint8Array, RegExp][] = [
    ['a.npy', npy([1, 2, 3], [3], '<f8').subarray(0, -1), /the \.npy says that it has 3 values; the file holds 2$/],
    [
      'a.npy',
      header(`{'descr': '<f4', 'fortran_order': False, 'shape': (${2 ** 20}, ${2 ** 20}), }`),
      /says that it has 1048576 x 1048576 values; the file holds 0$/,
    ],
    [
      'a.npy',
      header(`{'descr': '<f4', 'fortran_order': False, 'shape': (${'9'.repeat(400)},), }`),
      /the file holds 0$/,
    ],
    [
      'a.npy',
      header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"),
      /does not say type, order and shape$/,
    ],
    [
      'a.npy',
      header("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }"),
      /values of type c8; supported: integers, float32 and float64$/,
    ],
    [
      'a.npy',
      Buffer.concat([header("{'descr': '|u1', 'fortran_order': True, 'shape': (1, 2), }"), Buffer.alloc(2)]),
      /in Fortran order; save np\.ascontiguousarray\(x\)$/,
    ],
    ['a.npy', header('x').subarray(0, 9), /the \.npy ends within its header$/],
    ['a.npy', 'PK\x03\x04 and more of it', /an \.npz archive; save each array with np\.save$/],
    ['a.npy', 'nothing of the kind', /not an \.npy file/],
    ['a.npy', npy([1, Number.NaN], [2], '<f8'), /value 2 is NaN$/],
    ['a.csv', `${new Array(1_000_000).fill('1').join(',')}\n`, /line 1 has more than 65536 columns$/],
    ['a.csv', 'x,y\n1,2\n3\n', /line 3 has 1 columns, the first one has 2$/],
    ['a.csv', '1,2\n3,four\n', /line 2, column 2: "four" is not a number$/],
    ['a.csv', '1,2\n3,\n', /line 2, column 2: "" is not a number$/],
    ['a.csv', 'x,y\n', /there are no numbers in it$/],
    ['a.csv', '1e999\n', /value 1 is Infinity$/],
    ['a.wav', lying, /its part "data" has 2147483648 bytes; the file holds 6$/],
    ['a.wav', sound.subarray(0, 45), /its part "data" has 6 bytes; the file holds 1$/],
    ['a.wav', wav([], { bits: 16, format: 1, channels: 1 }), /there is no sound in it$/],
    ['a.wav', wav([1], { bits: 12, format: 2, channels: 1 }), /the \.wav has format 2 with 12 bits/],
    ['a.wav', wav([], { bits: 16, format: 1, channels: 0 }), /the \.wav has no channels$/],
    ['a.wav', 'RIFF', /not a \.wav file/],
    ['a.xyz', '1', /expected: \.npy, \.csv or \.wav$/],
  ];
  for (const [name, content, message] of cases) {
    await write(folder, { [name]: content });
    const error = await t.throwsAsync(readTable(join(folder, name)), {
      instanceOf: TinytrainError,
      code: 'RECORDING_CORRUPT',
    });
    t.regex(error.message, message);
    t.notRegex(error.message, /\n/);
  }
});

test('damaged recordings give numbers or one sentence, never anything else', async t => {
  const values = Array.from({ length: 24 }, (_, i) => i * i - 90);
  const seeds: [string, Uint8Array][] = [
    ['a.npy', npy(values, [4, 3, 2], '<f4')],
    ['a.npy', npy(values, [24], '>i2')],
    ['a.csv', Buffer.from(`a,b,c\n${values.map((value, i) => `${value / 8}${i % 3 === 2 ? '\n' : ','}`).join('')}`)],
    ['a.wav', wav(values, { bits: 16, format: 1, channels: 2, odd: true })],
    ['a.wav', wav(values, { bits: 64, format: 3, channels: 3 })],
  ];
  const counts = { read: 0, refused: 0 };
  for (const [i, [name, bytes]] of seeds.entries()) {
    for (const bad of damaged(bytes, 2000, 100 + i)) {
      try {
        const { rows, rowLength, columns, values } = await parseTable(name, async () => Buffer.from(bad));
        t.is(values.length, rows * rowLength);
        t.is(rowLength % columns, 0);
        t.true(values.every(Number.isFinite));
        counts.read++;
      } catch (error) {
        if (!(error instanceof TinytrainError)) throw error;
        t.is(error.code, 'RECORDING_CORRUPT');
        t.notRegex(error.message, /\n|undefined|RangeError|ERR_|out of range|Cannot/);
        counts.refused++;
      }
    }
  }
  t.log(counts);
  t.true(counts.read > 1000 && counts.refused > 1000);
});
