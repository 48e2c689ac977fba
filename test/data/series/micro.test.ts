/** `--front micro` against the front end that it is: TensorFlow's, as the Python package pymicro-features has it. */
import { spawnSync } from 'node:child_process';
import { existsSync, promises as fs } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { frontOf, spectrogram } from '#tinytrain/data/series/sound.js';
import { readTable } from '#tinytrain/data/series/table.js';
import { hasPackages, python } from '../../helpers/python.js';

const root = new URL('../../../', import.meta.url);
const spoken = fileURLToPath(new URL('../shared/data/spoken-digits', root));

/** Tones, steps and noise, from faint to clipped, with silence in between. */
function drawn(): Int16Array[] {
  let seed = 1;
  const random = () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return seed / 2 ** 31 - 1;
  };
  const kinds = [
    random,
    (i: number) => Math.sin(i * 0.37),
    (i: number) => Math.sign(Math.sin(i * 0.011)),
    (i: number) => Math.sin(i * i * 1e-5),
  ];
  return [1, 20, 500, 12_000, 60_000].flatMap(level =>
    kinds.map(kind =>
      Int16Array.from({ length: 16_000 }, (_, i) =>
        i % 5000 < 1500 ? 0 : Math.max(-32_768, Math.min(32_767, Math.round(level * kind(i)))),
      ),
    ),
  );
}

/** All recordings that are there. */
async function recorded(): Promise<Int16Array[]> {
  if (!existsSync(spoken)) return [];
  const paths = (await fs.readdir(spoken, { recursive: true })).filter(path => path.endsWith('.wav')).sort();
  return Promise.all(
    paths.map(async path => {
      const { values, full = 32_768 } = await readTable(`${spoken}/${path}`);
      return Int16Array.from(values, value => (value / full) * 32_768);
    }),
  );
}

const packed = (values: Int16Array): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(values.length);
  return Buffer.concat([head, Buffer.from(values.buffer)]);
};

test('the features of sounds are those of the micro front end, to the bit', async t => {
  if (!hasPackages('pymicro_features')) {
    t.log('left out: it needs the Python package pymicro-features (node scripts/setup-device.mjs)');
    t.pass();
    return;
  }
  const front = frontOf({ kind: 'micro', rate: 16_000, stride: 10 });
  if (!front) throw new Error('no front end');
  const all = [...drawn(), ...(await recorded())];
  const script = fileURLToPath(new URL('test/data/series/micro.py', root));
  const { stdout, stderr } = spawnSync(python, [script], { input: Buffer.concat(all.map(packed)), maxBuffer: 2 ** 28 });
  t.is(stderr.toString(), '');
  let [place, frames] = [0, 0];
  for (const sound of all) {
    const table = { rows: sound.length, rowLength: 1, columns: 1, values: Float64Array.from(sound) };
    const { values } = spectrogram('a sound', table, front);
    const count = stdout.readUInt32LE(place);
    const expected = Array.from({ length: count }, (_, i) => stdout.readInt16LE(place + 4 + 2 * i));
    place += 4 + 2 * count;
    t.deepEqual(Array.from(values), expected);
    frames += count / front.channels;
  }
  t.is(place, stdout.length);
  t.true(frames > 1900);
  t.log(`${all.length} sounds, ${frames} frames`);
});
