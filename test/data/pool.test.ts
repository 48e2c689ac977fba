import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { eachParallel } from '#tinytrain/data/pool.js';

test('nobody is told of progress once the work has failed', async t => {
  const told: number[] = [];
  const work = async (index: number) => {
    await sleep(20 * index);
    if (index === 0) throw new Error('of the first');
  };
  await t.throwsAsync(eachParallel(2, 2, work, { onProgress: ({ done }) => told.push(done) }), {
    message: 'of the first',
  });
  await sleep(60);
  t.deepEqual(told, []);
});
