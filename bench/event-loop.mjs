// The longest tasks that a search runs on the event loop, as CPU time of this thread between two ticks of a timer, so that other load on the machine
// does not count (Linux only).
//
//   node bench/event-loop.mjs [STEPS] [MODEL DATA]      STEPS: steps of each training run; by default as `search` chooses them
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultImages, loadImages, loadModel, search } from '../dist/index.js';

const cpu = () => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;
const [count, path, folder] = process.argv.slice(2);
const steps = count === undefined ? {} : { trialSteps: Number(count), proofSteps: Number(count) };

const model = await loadModel(path);
const data = folder === undefined ? await defaultImages(model.input) : await loadImages(folder, model.input);
const out = mkdtempSync(join(tmpdir(), 'tinytrain-event-loop-'));
const longest = [];
let [before, wall, what, ticks] = [cpu(), performance.now(), 'begin', 0];
const timer = setInterval(() => {
  const [now, clock] = [cpu(), performance.now()];
  longest.push({ cpu: now - before, wall: clock - wall, what });
  longest.sort((a, b) => b.cpu - a.cpu).splice(10);
  [before, wall] = [now, clock];
  ticks++;
}, 1);
try {
  for await (const event of search(model, data, { budgets: [262_144], out: join(out, 'search'), ...steps })) {
    what = event.type === 'progress' ? `${event.what}, ${event.done} of ${event.total}` : event.type;
  }
} finally {
  clearInterval(timer);
  rmSync(out, { recursive: true });
}
console.log(`${ticks} ticks; the longest times between two`);
for (const { cpu: of, wall: took, what: where } of longest) {
  console.log(`${of.toFixed(1).padStart(7)} ms of CPU, ${took.toFixed(1).padStart(7)} ms in all  ${where}`);
}
