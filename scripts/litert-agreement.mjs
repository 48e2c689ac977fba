// How often LiteRT sees the class that the Program sees: for each run, its exported .tflite on all of the run's test images. Needs a Python that has
// ai-edge-litert and numpy: TINYTRAIN_PYTHON, or `python3`.
//
//   node scripts/litert-agreement.mjs RUN...
//
// Of a run on drawn images it draws 500 test images a class, so that a figure is not that of a few images. Beside each count stands how far apart the Program's
// two best classes are, at most, where the class is another one.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultImages, exportTflite, loadModel, openRun, Predictor } from '../dist/index.js';
import { fail, read, root } from './lib/shell.mjs';

const runs = process.argv.slice(2);
if (runs.length === 0) fail('usage: node scripts/litert-agreement.mjs RUN...');
const folder = mkdtempSync(join(tmpdir(), 'tinytrain-litert-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

for (const path of runs) {
  const run = await openRun(path);
  const { model: from, input, data } = (await run.record()).origin;
  const { shape, mean, std } = input;
  const [height, width] = shape;
  const model = await loadModel(from.path, { input: { height, width }, normalisation: { mean, std } });
  const state = await run.state();
  const program = (await run.program()).withState(state);
  const drawn = data.origin?.kind === 'drawn' && data.origin.task !== 'gestures';
  const { test } = drawn
    ? await defaultImages(model.input, { trainPerClass: 1, testPerClass: 500 })
    : await run.samples();
  const [file, samples, out] = ['model.tflite', 'samples', 'out.json'].map(name => join(folder, name));
  writeFileSync(file, await exportTflite(program, model));
  writeFileSync(samples, Buffer.concat(Array.from({ length: test.size }, (_, i) => Buffer.from(test.sample(i)))));
  read(process.env.TINYTRAIN_PYTHON ?? 'python3', [join(root, 'scripts/litert-classes.py'), file, samples, out]);
  const { labels, ...kernels } = JSON.parse(readFileSync(out, 'utf8'));
  const predicted = await Predictor.of(program).predictAll(test);
  const ours = predicted.map(({ label }) => label);
  const gaps = predicted.map(({ scores }) => {
    const [first, second] = [...scores].sort((a, b) => b - a);
    return 100 * (first - second);
  });
  if (labels.join() !== program.classes.join()) fail(`${path}: the labels in the metadata are ${labels.join()}`);
  const right = classes => (100 * classes.filter((c, i) => c === test.labels[i]).length) / test.size;
  console.log(`${from.name}: ${test.size} test images, ${right(ours).toFixed(2)} % right`);
  for (const [name, { classes, milliseconds }] of Object.entries(kernels)) {
    const same = classes.filter((c, i) => c === ours[i]).length;
    const share = ((100 * same) / test.size).toFixed(2);
    const apart = Math.max(0, ...gaps.filter((_, i) => classes[i] !== ours[i])).toFixed(1);
    console.log(
      `  LiteRT ${name.padEnd(9)} same class ${same} (${share} %), ${right(classes).toFixed(2)} % right, at most ${apart} points apart, ${milliseconds.toFixed(2)} ms`,
    );
  }
}
