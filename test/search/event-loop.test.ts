import { createHash } from 'node:crypto';
import { join } from 'node:path';
import test from 'ava';
import { loadImages, loadModel, search } from '#tinytrain';
import { countsThreadTime, longestTask } from '../helpers/event-loop.js';
import { images, temporary } from '../helpers/folder.js';

// In a file of its own: ava gives it a thread of its own, on which nothing else runs.
(countsThreadTime ? test : test.skip)('a search holds the event loop for less than 50 ms at a time', async t => {
  const folder = await temporary(t);
  await images(join(folder, 'samples'), { 'train/cat': 5, 'train/dog': 5, 'test/cat': 2, 'test/dog': 2 });
  const model = await loadModel();
  const data = await loadImages(join(folder, 'samples'), model.input);
  const options = { budgets: [60_000, 200_000], trialSteps: 4, proofSteps: 6, seeds: 2, out: join(folder, 'search') };
  let generations = 0;
  const longest = await longestTask(async () => {
    for await (const event of search(model, data, options)) if (event.type === 'generation') generations++;
  });
  t.true(generations > 0);
  const held = await longestTask(async () => {
    createHash('sha256')
      .update(Buffer.alloc(2 ** 28))
      .digest();
  });
  t.true(held > 50, 'a task that holds it is seen');
  t.true(longest < 50, `${longest} ms of CPU time`);
});
