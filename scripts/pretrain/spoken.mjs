// Lays out spoken digits for a network of three speakers and one that it has never heard, and writes what the network is trained on.
//
//   node scripts/pretrain/spoken.mjs spoken-digits OUT [SPEAKER]
//
// OUT/known and OUT/new are folders for `--data`, with class folders under train/ and test/: of the others, every tenth recording of a digit is held out for the test; of SPEAKER
// (nicolas by default), every second one. OUT/SPLIT-x.npy (samples x frames x channels, features in int16) and OUT/SPLIT-y.npy are those of OUT/known.
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seriesFolder } from '../../dist/data/series/folder.js';
import { npy } from './npy.mjs';

const [from = 'spoken-digits', out = 'spoken', speaker = 'nicolas'] = process.argv.slice(2);
/** Frames of a sample: 650 ms. */
const WINDOW = 32;
const CHANNELS = 40;

rmSync(out, { recursive: true, force: true });
for (const digit of readdirSync(from).sort()) {
  for (const name of readdirSync(join(from, digit)).sort()) {
    const [who, number] = name.replace('.wav', '').split('_');
    const isNew = who === speaker;
    const held = Number(number) % (isNew ? 2 : 10) === 1;
    const folder = join(out, isNew ? 'new' : 'known', held ? 'test' : 'train', digit);
    mkdirSync(folder, { recursive: true });
    copyFileSync(join(from, digit, name), join(folder, name));
  }
}

const source = await seriesFolder(join(out, 'known'), { window: WINDOW, hop: 2 ** 31, front: { kind: 'mel' } });
const whole = { height: 1, width: WINDOW, channels: CHANNELS, tables: [], series: Array(CHANNELS).fill({ unit: 1 }) };
for (const split of ['train', 'test']) {
  const list = source.parts[split];
  const all = new Int16Array(list.length * WINDOW * CHANNELS);
  for (const place of list.keys()) all.set(await source.raw(split, place, whole), place * WINDOW * CHANNELS);
  writeFileSync(`${out}/${split}-x.npy`, npy(all, [list.length, WINDOW, CHANNELS], '<i2'));
  writeFileSync(
    `${out}/${split}-y.npy`,
    npy(
      Uint16Array.from(list, ({ label }) => label),
      [list.length],
      '<u2',
    ),
  );
  console.log(`${split}: ${list.length} recordings`);
}
