import { once } from 'node:events';
import test from 'ava';
import { startGroup } from '#tinytrain/device/process.js';

const posix = process.platform === 'win32' ? test.skip : test;

posix('a command that is stopped ends with all that it has started, at once', async t => {
  const controller = new AbortController();
  // The shell ends by itself; what it has started holds the streams open, as a compiler does that make has started.
  const child = startGroup('sh', ['-c', 'sh -c "echo begun; sleep 300" & wait'], { signal: controller.signal });
  await once(child.stdout, 'data');
  const began = performance.now();
  controller.abort();
  const [code, signal] = await once(child, 'close');
  t.deepEqual([code, signal], [null, 'SIGTERM']);
  t.true(performance.now() - began < 30_000);
});

posix('a command that is stopped before it has begun ends as well', async t => {
  const child = startGroup('sleep', ['300'], { signal: AbortSignal.abort() });
  const [, signal] = await once(child, 'close');
  t.is(signal, 'SIGTERM');
});
