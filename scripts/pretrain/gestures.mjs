// Draws the gestures on which `tinytrain-gestures` is trained, as int8 samples for train.py: OUT/SPLIT-x.npy (samples x rows x columns) and OUT/SPLIT-y.npy.
//
//   node scripts/pretrain/gestures.mjs OUT
import { mkdirSync, writeFileSync } from 'node:fs';
import { gesturesOf, held } from '../../dist/data/drawn/gestures/set.js';
import { inputOf } from '../../dist/model/input.js';

const [out = 'gestures'] = process.argv.slice(2);
const [ROWS, COLUMNS] = [96, 6];
const PER_CLASS = { train: 1200, test: 100 };

function npy(values, shape, type) {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const header = `${text.padEnd(64 * Math.ceil((11 + text.length) / 64) - 11)}\n`;
  return Buffer.concat([
    Buffer.from(`\x93NUMPY\x01\x00`, 'latin1'),
    Buffer.from([header.length, 0]),
    Buffer.from(header),
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  ]);
}

const source = gesturesOf(held, { seed: 0, trainPerClass: PER_CLASS.train, testPerClass: PER_CLASS.test });
// A scale of 1 / 128 around 0: real numbers from -1 to 1.
const plain = { shape: [1, ROWS, COLUMNS], scale: 1 / 128, zero: 0, mean: [0], std: [1] };
const { height, width, channels } = inputOf(plain);
const scale = await source.normalise({ height, width, channels, tables: [] }, plain);
const set = await source.read(inputOf({ ...plain, ...scale }));
mkdirSync(out, { recursive: true });
for (const split of ['train', 'test']) {
  const { size, labels } = set[split];
  const all = new Int8Array(size * ROWS * COLUMNS);
  for (let i = 0; i < size; i++) all.set(set[split].sample(i), i * ROWS * COLUMNS);
  writeFileSync(`${out}/${split}-x.npy`, npy(all, [size, ROWS, COLUMNS], '|i1'));
  writeFileSync(`${out}/${split}-y.npy`, npy(Uint16Array.from(labels), [size], '<u2'));
  console.log(`${split}: ${size} gestures`);
}
