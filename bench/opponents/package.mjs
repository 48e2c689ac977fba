// Training through the package, `package.mjs SCHEME`: answers `train N` with the nanoseconds of a step in a run of N.
import { createInterface } from 'node:readline';
import { compile, defaultImages, loadModel, train } from '../../dist/index.js';

const model = await loadModel();
const data = await defaultImages(model.input, { trainPerClass: 20, testPerClass: 1 });
const program = await compile(model, data, { scheme: process.argv[2] });
console.log('{}');
for await (const line of createInterface({ input: process.stdin })) {
  const steps = Number(line.split(' ')[1]);
  const { seconds } = await train(program, data, { steps, cacheBytes: 0, threads: 1 });
  console.log(JSON.stringify([(seconds / steps) * 1e9]));
}
