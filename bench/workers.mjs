// Training runs a second of a search, by worker processes that meet at a Redis server of this script's own, and by threads of one process, side by side.
//
//   node bench/workers.mjs [ROUNDS] [--model FILE --input 128x128 --data DIR --budget 207288] [--trial-steps N --proof-steps N --seeds N] [--only NAME,...]
//
// Each round makes the same search in every way, one after the other. What is compared: seconds from beginning to end, and seconds of processor time of all
// processes (search, workers, Redis), which what else the machine does disturbs less. All results have to be equal.
//
//   node bench/workers.mjs --paired [PAIRS] [--runs 20 --trial-steps 1200 --samples 300] [--model ...]
//
// The same batches of runs, each made by one worker with a thread per core and by threads of this process, in turns, the first of a pair first in the next one second.
// A batch is short, so that both have the same from a machine that others use as well; what counts is the median of the ratios of processor time.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Compiler, defaultImages, loadImages, loadModel, search } from '#tinytrain';
import { native } from '#tinytrain/native.js';
import { Crew } from '#tinytrain/queue/crew.js';
import { searchSamples } from '#tinytrain/search/heldout.js';
import { QueuedRunner } from '#tinytrain/search/queued.js';
import { LocalRunner } from '#tinytrain/search/runner.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    input: { type: 'string' },
    data: { type: 'string' },
    budget: { type: 'string', default: '262144' },
    'trial-steps': { type: 'string' },
    'proof-steps': { type: 'string' },
    seeds: { type: 'string', default: '1' },
    lr: { type: 'string' },
    only: { type: 'string' },
    paired: { type: 'boolean', default: false },
    runs: { type: 'string', default: '20' },
    samples: { type: 'string', default: '300' },
  },
});
const number = text => (text === undefined ? undefined : Number(text));
const cores = availableParallelism();
const folder = mkdtempSync(join(tmpdir(), 'tinytrain-bench-'));
const main = fileURLToPath(new URL('../dist/cli/main.cjs', import.meta.url));
process.env.TINYTRAIN_CACHE ??= join(folder, 'cache');

const [height, width = height] = (values.input ?? '').split('x').map(Number);
const model = await loadModel(values.model, values.input ? { input: { height, width } } : {});
const data = values.data ? await loadImages(values.data, model.input) : await defaultImages(model.input);
const options = {
  budgets: [Number(values.budget)],
  trialSteps: number(values['trial-steps']),
  proofSteps: number(values['proof-steps']),
  seeds: number(values.seeds),
  lr: number(values.lr),
  threads: cores,
};

/** Seconds of processor time of a process so far. */
function processorTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function redisServer() {
  const port = 20_000 + (process.pid % 10_000);
  const place = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder];
  const child = spawn(
    'redis-server',
    [...place, '--save', '', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction'],
    {
      stdio: 'ignore',
    },
  );
  await pause(500);
  return { child, url: `redis://127.0.0.1:${port}` };
}

/** Workers of so many threads each. */
function workersOf(count, threads, url) {
  const args = [main, 'worker', '--redis', url, '--threads', `${threads}`];
  return Array.from({ length: count }, (_, i) =>
    // Each is a machine of its own: what it is sent, it is sent once.
    spawn(process.execPath, args, { stdio: 'ignore', env: { ...process.env, TINYTRAIN_CACHE: join(folder, `${i}`) } }),
  );
}

/** A search, with so many workers of so many threads each; without any, with threads of this process. */
async function measured(workers, threads) {
  const redis = workers > 0 ? await redisServer() : undefined;
  const children = workersOf(workers, threads, redis?.url ?? '');
  if (workers > 0) await pause(3000);
  const all = [...children, ...(redis ? [redis.child] : [])];
  const others = () => all.reduce((sum, { pid }) => sum + processorTime(pid), 0);
  const own = process.cpuUsage();
  const [began, before] = [performance.now(), others()];
  let result;
  for await (const event of search(model, data, { ...options, workers: redis?.url })) {
    if (event.type === 'done') result = event.result;
  }
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(own);
  const processor = (user + system) / 1e6 + others() - before;
  for (const child of all) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  for (let i = 0; i < workers; i++) rmSync(join(folder, `${i}`), { recursive: true, force: true });
  rmSync(join(folder, 'appendonlydir'), { recursive: true, force: true });
  return { seconds, processor, runs: result.trials.length, text: JSON.stringify(result) };
}

/** Batches of runs as a round of the analysis has them, made in both ways. */
async function paired(pairs) {
  const count = Number(values.runs);
  const steps = number(values['trial-steps']) ?? 1200;
  const places = Array.from({ length: Math.min(data.train.size, Number(values.samples)) }, (_, i) =>
    Math.floor((i * data.train.size) / Math.min(data.train.size, Number(values.samples))),
  );
  const samples = await searchSamples({ ...data, train: data.train.subset(places) }, 0.2, 0);
  const redis = await redisServer();
  const [worker] = workersOf(1, cores, redis.url);
  let ready;
  const there = new Promise(resolve => {
    ready = resolve;
  });
  const crew = await Crew.join(redis.url, ({ processes }) => processes > 0 && ready());
  await there;
  const ways = [
    { name: 'threads', runner: new LocalRunner(samples, cores, 2 ** 30) },
    { name: 'worker', runner: new QueuedRunner(crew, samples) },
  ];
  const control = new (native().Control)();
  const ratios = [];
  const costs = [];
  for (let pair = 0; pair < pairs; pair++) {
    // Other Programs in each batch, as in each round of a search, so that nobody has kept anything of them.
    const compiler = await Compiler.create(model, { classes: data.classes, train: samples.train }, { seed: pair });
    const runs = [];
    for (let i = 0; i < count; i++) {
      const layer = compiler.layers - 1 - (i % Math.min(count, compiler.layers));
      const scheme = `bias:${Math.ceil(compiler.layers / 3)},${layer}:1`;
      const program = await compiler.handle.compile(scheme, 4, 0, null, false, 0, control);
      const key = { scheme, residualBits: 4, seed: pair * count + i, steps, on: 'validation' };
      runs.push({ key, program, frozen: native().frozenSteps(program) });
    }
    runs.sort((a, b) => a.frozen - b.frozen);
    const batch = { runs, on: 'validation', rate: 0.001, signal: new AbortController().signal };
    const others = () => processorTime(worker.pid) + processorTime(redis.child.pid);
    const found = {};
    for (const { name, runner } of pair % 2 === 0 ? ways : [...ways].reverse()) {
      const results = new Map();
      const own = process.cpuUsage();
      const before = others();
      await runner.run(batch, async (run, { checksum, loss, correct }) => {
        results.set(run.key.seed, [checksum, loss, correct]);
      });
      const { user, system } = process.cpuUsage(own);
      found[name] = {
        processor: (user + system) / 1e6 + others() - before,
        text: JSON.stringify([...results].sort(([a], [b]) => a - b)),
      };
    }
    if (found.worker.text !== found.threads.text) throw new Error('the worker has other results');
    const ratio = found.worker.processor / found.threads.processor;
    ratios.push(ratio);
    costs.push(((found.worker.processor - found.threads.processor) / count) * 1000);
    const seconds = ['threads', 'worker'].map(name => found[name].processor.toFixed(2)).join(' and ');
    console.log(`pair ${pair + 1}: ${count} runs of ${steps} steps, ${seconds} s of processors: ${ratio.toFixed(3)}`);
  }
  await crew.close();
  for (const child of [worker, redis.child]) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const median = all => all.sort((a, b) => a - b)[Math.floor(all.length / 2)];
  console.log(
    `median   ${median(ratios).toFixed(3)}, from ${ratios[0].toFixed(3)} to ${ratios.at(-1).toFixed(3)}; ${median(costs).toFixed(0)} ms a run`,
  );
  rmSync(folder, { recursive: true, force: true });
}

if (values.paired) {
  await paired(Number(positionals[0] ?? 7));
  process.exit();
}

const ways = [
  { name: `threads of one process, ${cores}`, workers: 0, threads: cores },
  { name: `1 worker, ${cores} threads`, workers: 1, threads: cores },
  { name: '1 worker, 1 thread', workers: 1, threads: 1 },
  { name: '2 workers, 1 thread', workers: 2, threads: 1 },
  { name: '4 workers, 1 thread', workers: 4, threads: 1 },
].filter((_, i) => i === 0 || !values.only || values.only.split(',').includes(String(i)));

const rounds = Number(positionals[0] ?? 1);
const sums = ways.map(() => ({ ratio: 0, processor: 0 }));
for (let round = 1; round <= rounds; round++) {
  let first;
  for (const [i, { name, workers, threads }] of ways.entries()) {
    const found = await measured(workers, threads);
    first ??= found;
    if (found.text !== first.text) throw new Error(`${name}: another result`);
    const { seconds, processor, runs } = found;
    sums[i].ratio += seconds / first.seconds / rounds;
    sums[i].processor += processor / first.processor / rounds;
    const rate = (runs / seconds).toFixed(2);
    const ratios = `${(seconds / first.seconds).toFixed(3)} and ${(processor / first.processor).toFixed(3)} of the first`;
    console.log(
      `round ${round}  ${name}: ${runs} runs, ${rate} a second; ${seconds.toFixed(1)} s, ${processor.toFixed(1)} s of processors: ${ratios}`,
    );
  }
}
if (rounds > 1) {
  for (const [i, { name }] of ways.entries()) {
    const { ratio, processor } = sums[i];
    console.log(`mean     ${name}: ${ratio.toFixed(3)} of the seconds, ${processor.toFixed(3)} of the processor time`);
  }
}
rmSync(folder, { recursive: true, force: true });
