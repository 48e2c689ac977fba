// Ratios of two things run side by side on this machine, alternating, medians: `npm run bench`. Writes bench/host.json; fails no build.
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { compile, defaultPictures, loadModel, train } from 'tinytrain';

const ROUNDS = 5;
/** More than one epoch: from then on keeping what the frozen layers make of a picture pays. */
const STEPS = 2000;
const KEEP = 2 ** 30;
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];
const spread = values => (Math.max(...values) - Math.min(...values)) / median(values);

/** Runs both in turns; the ratio of their medians. Each yields its seconds. The first round only warms up. */
async function ratio(name, slow, fast) {
  const times = { slow: [], fast: [] };
  for (let round = 0; round <= ROUNDS; round++) {
    const found = { slow: await slow(), fast: await fast() };
    if (round > 0) for (const key of ['slow', 'fast']) times[key].push(found[key]);
  }
  const row = { name, ratio: median(times.slow) / median(times.fast), spread: spread(times.fast) };
  console.log(`${name.padEnd(64)} ${row.ratio.toFixed(2)} x   (spread ${(100 * row.spread).toFixed(0)} %)`);
  return row;
}

const model = await loadModel();
const data = await defaultPictures(model.input);
const [sparse, full] = await Promise.all(
  ['bias:6,20:1,18:1/2', 'full'].map(scheme => compile(model, data, { scheme })),
);
const steps = (program, cacheBytes) => async () =>
  (await train(program, data, { steps: STEPS, cacheBytes, threads: 1 })).seconds;

const rows = [
  await ratio('a training step with every weight : with a sparse scheme', steps(full, 0), steps(sparse, 0)),
  await ratio('sparse scheme, frozen layers run anew : kept', steps(sparse, 0), steps(sparse, KEEP)),
];
const result = { processor: cpus()[0]?.model, node: process.version, rounds: ROUNDS, steps: STEPS, rows };
writeFileSync(new URL('host.json', import.meta.url), `${JSON.stringify(result, null, 2)}\n`);
