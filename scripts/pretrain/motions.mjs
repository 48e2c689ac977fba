// Lays out the archive's BasicMotions (six columns, 100 rows, four classes) as a folder for `--data`, and writes what a network is trained on.
//
//   node scripts/pretrain/motions.mjs basic-motions OUT
//
// OUT/data has class folders of .csv under train/ and test/; OUT/SPLIT-x.npy (samples x rows x columns) and OUT/SPLIT-y.npy are the same.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { npy } from './npy.mjs';

const [from = 'basic-motions', out = 'motions'] = process.argv.slice(2);
rmSync(out, { recursive: true, force: true });
for (const split of ['train', 'test']) {
  const text = readFileSync(join(from, `BasicMotions_${split.toUpperCase()}.ts`), 'utf8');
  const lines = text.split(/\r?\n/).filter(line => /^[-\d]/.test(line));
  const samples = lines.map(line => {
    const parts = line.split(':');
    const label = parts.pop();
    const columns = parts.map(part => part.split(',').map(Number));
    return { label, rows: columns[0].map((_, row) => columns.map(column => column[row])) };
  });
  const classes = [...new Set(samples.map(({ label }) => label))].sort();
  for (const [i, { label, rows }] of samples.entries()) {
    const folder = join(out, 'data', split, label);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${i}.csv`), `${rows.map(row => row.join(',')).join('\n')}\n`);
  }
  const all = Float32Array.from(samples.flatMap(({ rows }) => rows.flat()));
  writeFileSync(`${out}/${split}-x.npy`, npy(all, [samples.length, 100, 6], '<f4'));
  const labels = Uint16Array.from(samples, ({ label }) => classes.indexOf(label));
  writeFileSync(`${out}/${split}-y.npy`, npy(labels, [samples.length], '<u2'));
  console.log(`${split}: ${samples.length} recordings of ${classes.join(', ')}`);
}
