// A search in a process of its own that kills itself as soon as it has come some way into a phase: `PHASE IMAGES OUT resume|new`.
import { loadImages, loadModel, search } from '#tinytrain';

const [phase, folder = '', out, how] = process.argv.slice(2);
const model = await loadModel();
const data = await loadImages(folder, model.input);
const options = { budgets: [100_000], trialSteps: 4, proofSteps: 6, seeds: 2, seed: 3, out, resume: how === 'resume' };
for await (const event of search(model, data, options)) {
  if (event.type === 'progress' && event.phase === phase && event.done > 0) process.kill(process.pid, 'SIGKILL');
}
