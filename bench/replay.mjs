// What is still known of the first half of the classes after the other half was learned, with a replay buffer and without one. Prints the table of docs/training.md.
//
//   node bench/replay.mjs --models DIR --data DIR [--seeds 3] [--places 50]
//
// DIR with `mcunet-5fps.pkl` of the reference, and a folder of images with train/ and test/.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    data: { type: 'string' },
    seeds: { type: 'string', default: '3' },
    places: { type: 'string', default: '50' },
  },
});
const command = fileURLToPath(new URL('../dist/cli/main.cjs', import.meta.url));
const model = ['--model', join(values.models, 'mcunet-5fps.pkl'), '--input', '128x128'];
const schemes = [
  ['49 KB', 'bias:20,24:1/4,27:1/2,30:1/2'],
  ['99 KB', 'bias:22,21:1,24:1,27:1,30:1,36:1/8,39:1/4'],
];
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => String(i));

function tinytrain(...args) {
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 28 };
  return JSON.parse(execFileSync(process.execPath, [command, ...args, '--json'], options));
}

const folder = mkdtempSync(join(tmpdir(), 'tinytrain-replay-'));
try {
  const names = readdirSync(join(values.data, 'train')).sort();
  const halves = ['old', 'new'].map((half, i) => {
    const from = (i * names.length) / 2;
    for (const split of ['train', 'test']) {
      mkdirSync(join(folder, half, split), { recursive: true });
      for (const name of names.slice(from, from + names.length / 2)) {
        symlinkSync(resolve(values.data, split, name), join(folder, half, split, name));
      }
    }
    return join(folder, half);
  });

  /** Share of the test images of a half of the classes that a run knows. */
  const known = (run, half) => {
    const { predictions } = tinytrain('predict', run, join(half, 'test'));
    return predictions.filter(one => basename(dirname(one.name)) === one.class).length / predictions.length;
  };
  const text = shares => shares.map(share => (100 * share).toFixed(1)).join(' / ');

  console.log('| scheme | steps on kept samples | old classes, % | new classes, % |\n| --- | --- | --- | --- |');
  for (const [name, scheme] of schemes) {
    const found = { none: [[], []], one: [[], []] };
    for (const seed of seeds) {
      const first = join(folder, `${name}-${seed}`);
      const kept = ['--scheme', scheme, '--replay', values.places];
      tinytrain('train', ...model, '--data', halves[0], ...kept, '--seed', seed, '--out', first);
      for (const [how, steps] of [
        ['none', '0'],
        ['one', '1'],
      ]) {
        const next = `${first}-${how}`;
        const more = ['--data', halves[1], '--replay-steps', steps];
        tinytrain('train', '--from', first, ...more, '--seed', seed, '--out', next);
        halves.forEach((half, i) => {
          found[how][i].push(known(next, half));
        });
      }
    }
    for (const [how, shares] of Object.entries(found)) {
      console.log(`| ${name} | ${how} | ${shares.map(text).join(' | ')} |`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
