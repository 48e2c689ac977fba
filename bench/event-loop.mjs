// The longest task that a search puts on the event loop: `node bench/event-loop.mjs [VISITS]`. CPU time of this thread between two ticks of a timer,
// so that whatever else the machine does counts for nothing; Linux only.
import { readFileSync } from 'node:fs';
import { defaultPictures, loadModel, search } from '../dist/index.js';

const cpu = () => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;
const visits = process.argv[2] === undefined ? {} : { visits: Number(process.argv[2]), proofVisits: Number(process.argv[2]) };

const model = await loadModel();
const data = await defaultPictures(model.input);
const longest = [];
let [before, wall, what] = [cpu(), performance.now(), 'begin'];
const timer = setInterval(() => {
  const [now, clock] = [cpu(), performance.now()];
  longest.push({ cpu: now - before, wall: clock - wall, what });
  longest.sort((a, b) => b.cpu - a.cpu).splice(10);
  [before, wall] = [now, clock];
}, 1);
for await (const event of search(model, data, { budgets: [262_144], ...visits })) {
  what = event.type === 'progress' ? `${event.what} ${event.done}/${event.total}` : event.type;
}
clearInterval(timer);
for (const { cpu: of, wall: took, what: where } of longest) {
  console.log(`${of.toFixed(1).padStart(6)} ms of CPU, ${took.toFixed(1).padStart(6)} ms in all  ${where}`);
}
