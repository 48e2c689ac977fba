// How often LiteRT sees the class that the Program sees: for each run, its exported .tflite on all of the run's test images. Needs a Python that has
// ai-edge-litert and numpy: TINYTRAIN_PYTHON, or `python3`.
//
//   node scripts/litert-agreement.mjs RUN...
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportTflite, loadModel, openRun, Predictor } from '../dist/index.js';
import { fail, read, root } from './lib/shell.mjs';

const runs = process.argv.slice(2);
if (runs.length === 0) fail('usage: node scripts/litert-agreement.mjs RUN...');
const folder = mkdtempSync(join(tmpdir(), 'tinytrain-litert-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

for (const path of runs) {
  const run = await openRun(path);
  const { model: from, input } = (await run.record()).origin;
  const [height, width] = input.shape;
  const model = await loadModel(from.path, { input: { height, width }, normalisation: input });
  const state = await run.state();
  const program = (await run.program()).withState(state);
  const { test } = await run.samples();
  const [file, samples, out] = ['model.tflite', 'samples', 'out.json'].map(name => join(folder, name));
  writeFileSync(file, await exportTflite(program, model));
  writeFileSync(samples, Buffer.concat(Array.from({ length: test.size }, (_, i) => Buffer.from(test.sample(i)))));
  read(process.env.TINYTRAIN_PYTHON ?? 'python3', [join(root, 'scripts/litert-classes.py'), file, samples, out]);
  const { labels, ...kernels } = JSON.parse(readFileSync(out, 'utf8'));
  const ours = (await Predictor.of(program).predictAll(test)).map(({ label }) => label);
  if (labels.join() !== program.classes.join()) fail(`${path}: the labels in the metadata are ${labels.join()}`);
  const right = classes => (100 * classes.filter((c, i) => c === test.labels[i]).length) / test.size;
  console.log(`${from.name}: ${test.size} test images, ${right(ours).toFixed(2)} % right`);
  for (const [name, { classes, milliseconds }] of Object.entries(kernels)) {
    const same = classes.filter((c, i) => c === ours[i]).length;
    const share = ((100 * same) / test.size).toFixed(2);
    console.log(
      `  LiteRT ${name.padEnd(9)} same class ${same} (${share} %), ${right(classes).toFixed(2)} % right, ${milliseconds.toFixed(2)} ms`,
    );
  }
}
