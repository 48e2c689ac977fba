// Training runs a second of a search, by worker processes that meet at a Redis server of this script's own, and by threads of one process, side by side.
//
//   node bench/workers.mjs [ROUNDS] [--model FILE --input 128x128 --data DIR --budget 207288] [--trial-steps N --proof-steps N --seeds N] [--only NAME,...]
//
// Each round makes the same search in every way, one after the other. What is compared: seconds from beginning to end, and seconds of processor time of all
// processes (search, workers, Redis), which what else the machine does disturbs less. All results have to be equal.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { defaultImages, loadImages, loadModel, search } from '#tinytrain';

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

/** A search, with so many workers of so many threads each; without any, with threads of this process. */
async function measured(workers, threads) {
  const redis = workers > 0 ? await redisServer() : undefined;
  const args = [main, 'worker', '--redis', redis?.url ?? '', '--threads', `${threads}`];
  const children = Array.from({ length: workers }, (_, i) =>
    // Each is a machine of its own: what it is sent, it is sent once.
    spawn(process.execPath, args, { stdio: 'ignore', env: { ...process.env, TINYTRAIN_CACHE: join(folder, `${i}`) } }),
  );
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
