/** Our side: the program to be timed, and the samples used in all training. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultImages, loadModel } from '../../dist/index.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Builds `crates/compile/examples/time.rs` and returns the path of the program. */
export function buildTimed() {
  const args = [
    'build',
    '--release',
    '--locked',
    '-p',
    'tinytrain-compile',
    '--example',
    'time',
    '--message-format=json-render-diagnostics',
  ];
  const built = spawnSync('cargo', args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 28,
  });
  if (built.status !== 0) throw new Error('the program to be timed could not be built');
  const artifacts = built.stdout.split('\n').filter(line => line.includes('"compiler-artifact"'));
  const found = artifacts
    .map(line => JSON.parse(line))
    .find(({ target, executable }) => executable && target.name === 'time');
  return found.executable;
}

/** Writes drawn samples of a model's input size to a file of records: one byte for the label, then the int8 pixels. */
export async function imageFile(folder, name, { path, side, perClass }) {
  const { input } = await loadModel(path, side === undefined ? {} : { input: { height: side, width: side } });
  const { train } = await defaultImages(input, { trainPerClass: perClass, testPerClass: 1 });
  const records = Array.from({ length: train.size }, (_, i) => {
    const sample = train.sample(i);
    return Buffer.concat([
      Uint8Array.of(train.labels[i]),
      new Uint8Array(sample.buffer, sample.byteOffset, sample.length),
    ]);
  });
  const file = join(folder, `${name}.samples`);
  writeFileSync(file, Buffer.concat(records));
  return file;
}
