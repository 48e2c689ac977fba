// Draws the gestures on which `tinytrain-gestures` is trained, as int8 samples for train.py: OUT/SPLIT-x.npy (samples x rows x columns) and OUT/SPLIT-y.npy.
//
//   node scripts/pretrain/gestures.mjs OUT
import { mkdirSync, writeFileSync } from 'node:fs';
import { gesturesOf, held } from '../../dist/data/drawn/gestures/set.js';
import { inputOf } from '../../dist/model/input.js';
import { npy } from './npy.mjs';

const [out = 'gestures'] = process.argv.slice(2);
const [ROWS, COLUMNS] = [96, 6];
const PER_CLASS = { train: 1200, test: 100 };

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
