import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { Queue, QueueEvents } from 'bullmq';
import {
  loadImages,
  loadModel,
  type Model,
  openFolder,
  reportData,
  reportPage,
  type SampleSet,
  type SearchEvent,
  type SearchOptions,
  search,
  TinytrainError,
  type WorkerShare,
} from '#tinytrain';
import { prefix, queueName } from '#tinytrain/queue/keys.js';
import { tinytrain } from '../helpers/cli.js';
import { images, temporary } from '../helpers/folder.js';
import { certificates, RedisServer, startWorker, withRedis } from '../helpers/redis.js';

const small = { budgets: [100_000], trialSteps: 8, proofSteps: 12, seeds: 1, seed: 3 } satisfies SearchOptions;

interface Prepared {
  readonly folder: string;
  readonly model: Model;
  readonly data: SampleSet;
}

async function prepared(t: ExecutionContext): Promise<Prepared> {
  const folder = await temporary(t);
  await images(join(folder, 'samples'), { 'train/cat': 5, 'train/dog': 5, 'test/cat': 2, 'test/dog': 2 });
  const model = await loadModel();
  return { folder, model, data: await loadImages(join(folder, 'samples'), model.input) };
}

async function run({ model, data }: Prepared, options: SearchOptions, on: (event: SearchEvent) => unknown = () => {}) {
  for await (const event of search(model, data, options)) await on(event);
}

async function sumsOf(folder: string): Promise<string[]> {
  const names = ['scheme.json', 'search.json', 'program.ttp'];
  const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  return Promise.all(names.map(async name => `${sum(await fs.readFile(join(folder, name)))}  ${name}`));
}

/** Kills a worker in the middle of a run: one that nobody else ends, while it stands still. Returns the run's name in the queue. */
async function killAmid(child: ChildProcess, queue: Queue): Promise<string> {
  const active = async () => (await queue.getActive()).map(job => job.id ?? '');
  for (;;) {
    child.kill('SIGSTOP');
    const before = await active();
    await pause(1500);
    const after = await active();
    const held = before.find(id => after.includes(id));
    if (held !== undefined) {
      child.kill('SIGKILL');
      return held;
    }
    child.kill('SIGCONT');
    await pause(200);
  }
}

/** A copy of the package in which something is different. */
async function copied(t: ExecutionContext, version: string, without: readonly string[] = []): Promise<string> {
  const [folder, root] = [await temporary(t), fileURLToPath(new URL('../..', import.meta.url))];
  for (const name of ['dist', 'assets', 'crates', 'device']) await fs.symlink(join(root, name), join(folder, name));
  await fs.rm(join(folder, 'dist'));
  await fs.cp(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
  const text = await fs.readFile(join(root, 'package.json'), 'utf8');
  await fs.writeFile(join(folder, 'package.json'), JSON.stringify({ ...JSON.parse(text), version }));
  await fs.mkdir(join(folder, 'node_modules'));
  for (const name of await fs.readdir(join(root, 'node_modules'))) {
    if (without.includes(name)) continue;
    await fs.symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  }
  return join(folder, 'dist', 'cli', 'main.cjs');
}

withRedis('two workers, one killed, Redis killed and restarted: the files of one process', async (t, redis) => {
  const all = await prepared(t);
  const [alone, spread] = [join(all.folder, 'alone'), join(all.folder, 'spread')];
  await run(all, { ...small, out: alone });
  const [first, second] = [await startWorker(t, redis.url), await startWorker(t, redis.url)];
  const queue = new Queue(queueName, { connection: { url: redis.url }, prefix });
  queue.on('error', () => {});
  t.teardown(() => queue.close());
  const crowd: number[] = [];
  let [runs, held] = [0, ''];
  await run(all, { ...small, out: spread, workers: redis.url }, async event => {
    if (event.type === 'workers') crowd.push(event.workers.processes);
    if (event.type !== 'progress' || event.phase === 'evolution' || event.done === 0) return;
    runs++;
    if (runs === 3) held = await killAmid(first.process, queue);
    if (runs !== 20) return;
    await redis.kill();
    await pause(500);
    await redis.begin();
  });
  t.deepEqual(await sumsOf(spread), await sumsOf(alone));
  // Who has made what stands beside it, and in the report.
  const shares = JSON.parse(await fs.readFile(join(spread, 'workers.json'), 'utf8'));
  const made = JSON.parse(await fs.readFile(join(spread, 'search.json'), 'utf8')).trials.length;
  t.is(shares.runs, made);
  t.is(shares.own, 0);
  t.is(
    shares.workers.reduce((sum: number, one: WorkerShare) => sum + one.runs, 0),
    made,
  );
  const known = [first, second].map(({ process: { pid } }) => `${hostname()} ${pid} 1`);
  const named = shares.workers.map((one: WorkerShare) => `${one.host} ${one.process} ${one.threads}`);
  t.true(named.includes(known[1]), 'the one that was left has made some');
  t.deepEqual(
    named.filter((name: string) => !known.includes(name)),
    [],
  );
  t.true(shares.again.runs >= 1 && shares.again.times >= shares.again.runs, 'the run that was held was begun again');
  const opened = await openFolder(spread);
  const [entry] = (await reportData([opened])).entries;
  if (entry?.kind !== 'search') throw new Error('it is a search');
  t.deepEqual(entry.workers?.workers, shares.workers);
  t.true(
    (await reportPage({ tinytrain: '', entries: [entry] })).includes(`${hostname()}, process ${second.process.pid}`),
  );
  t.false((await fs.readdir(alone)).includes('workers.json'));
  t.true(runs > 20 && crowd.includes(2), 'both were there, and what was to happen has happened');
  t.is(await first.ended, 'SIGKILL');
  t.is((await queue.getJob(held))?.stalledCounter, 1, 'what it had begun was done by the other one');
  t.is(second.process.exitCode, null, 'the other one is still there');
  // Ctrl-C ends a worker that waits.
  second.process.kill('SIGINT');
  t.is(await second.ended, 0, second.said());
});

withRedis('a server that has forgotten everything is told again', async (t, redis) => {
  const all = await prepared(t);
  const [alone, spread] = [join(all.folder, 'alone'), join(all.folder, 'spread')];
  await run(all, { ...small, out: alone });
  await startWorker(t, redis.url);
  let runs = 0;
  await run(all, { ...small, out: spread, workers: redis.url }, async event => {
    if (event.type !== 'progress' || event.phase === 'evolution' || event.done === 0 || ++runs !== 10) return;
    await redis.kill();
    await redis.forget();
    await redis.begin();
  });
  t.true(runs > 10);
  t.deepEqual(await sumsOf(spread), await sumsOf(alone));
});

withRedis(
  'what was done for a search that is gone counts for who asks for the same: no run is made twice',
  async (t, redis) => {
    const all = await prepared(t);
    const [first, second] = [join(all.folder, 'first'), join(all.folder, 'second')];
    const worker = await startWorker(t, redis.url);
    await run(all, { ...small, out: first, workers: redis.url });
    worker.process.kill('SIGKILL');
    await worker.ended;
    await run(all, { ...small, out: second, workers: redis.url });
    t.deepEqual(await sumsOf(second), await sumsOf(first));
  },
);

withRedis('a worker of another version is refused, and says what to install', async (t, redis) => {
  const all = await prepared(t);
  const controller = new AbortController();
  const { signal } = controller;
  const main = await copied(t, '9.9.9');
  let said = '';
  const stopped = run(all, { ...small, workers: redis.url, signal }, async event => {
    if (event.type !== 'workers') return;
    if (event.workers.refused.length > 0) {
      t.deepEqual(event.workers, { processes: 0, threads: 0, refused: ['9.9.9'] });
      return controller.abort();
    }
    const worker = await startWorker(t, redis.url, main);
    t.is(await worker.ended, 1);
    said = worker.said();
  });
  const error = await t.throwsAsync(stopped, { instanceOf: TinytrainError });
  t.is(error.code, 'ABORTED');
  t.regex(said, /work is asked for by tinytrain 0\.1\.0, and this worker is 9\.9\.9/);
  t.regex(said, /npm install tinytrain@0\.1\.0/);
  t.false(said.includes('secret'), 'the password is not shown');
});

withRedis('a damaged blob is refused by name, and sent again by who goes on', async (t, redis) => {
  const all = await prepared(t);
  const out = join(all.folder, 'out');
  const client = redis.client();
  t.teardown(() => client.disconnect());
  const failing = run(all, { ...small, out, workers: redis.url });
  failing.catch(() => {});
  let name = '';
  while (name === '') {
    for (const key of await client.keys('tinytrain:blob:*')) {
      const [bytes, piece] = await Promise.all([client.hget(key, 'bytes'), client.hgetBuffer(key, '0')]);
      // The blob with the samples of 10 images.
      if (Number(bytes) !== 10 * 64 * 64 * 3 || !piece) continue;
      piece[5000] = (piece[5000] ?? 0) ^ 1;
      await client.hset(key, '0', piece);
      name = key.replace('tinytrain:blob:', '');
    }
    await pause(50);
  }
  await startWorker(t, redis.url);
  const error = await t.throwsAsync(failing, { instanceOf: TinytrainError });
  t.is(error.code, 'BLOB_BROKEN');
  t.true(error.message.includes(name), error.message);
  await run(all, { ...small, out, workers: redis.url, resume: true });
  const alone = join(all.folder, 'alone');
  await run(all, { ...small, out: alone });
  t.deepEqual(await sumsOf(out), await sumsOf(alone));
});

withRedis('a worker runs nothing that the verifier does not accept, and goes on', async (t, redis) => {
  const client = redis.client();
  const connection = { url: redis.url };
  const [queue, events] = [
    new Queue(queueName, { connection, prefix }),
    new QueueEvents(queueName, { connection, prefix }),
  ];
  t.teardown(async () => {
    client.disconnect();
    await Promise.all([queue.close(), events.close()]);
  });
  const put = async (bytes: Buffer) => {
    const name = createHash('sha256').update(bytes).digest('hex');
    await client.hset(`tinytrain:blob:${name}`, { 0: bytes, bytes: bytes.length });
    return name;
  };
  const worker = await startWorker(t, redis.url);
  const trial = {
    kind: 'trial',
    program: await put(Buffer.from('no program')),
    learned: await put(Buffer.from('{"samples":1}')),
    measured: '0'.repeat(64),
    ...{ rate: 0.1, steps: 1, seed: 0, level: null },
  };
  const program = await loadModel().then(async model => {
    const { compile, defaultImages } = await import('#tinytrain');
    return compile(model, await defaultImages(model.input, { trainPerClass: 3, testPerClass: 1 }));
  });
  const good = await put(Buffer.from(program.toBytes()));
  for (const [code, data] of [
    ['PROGRAM_BROKEN', trial],
    ['BLOB_BROKEN', { ...trial, program: good }],
    ['BLOB_MISSING', { ...trial, program: '0'.repeat(64) }],
    ['JOB_BROKEN', { ...trial, steps: -1 }],
    ['JOB_BROKEN', { ...trial, rate: 1e9 }],
    ['JOB_BROKEN', { kind: 'code', code: 'process.exit(7)' }],
    ['JOB_BROKEN', 'a text'],
  ] as const) {
    const job = await queue.add('trial', data);
    const reason = await job.waitUntilFinished(events, 20_000).then(
      () => 'no failure',
      (error: Error) => error.message,
    );
    t.is(JSON.parse(reason).code, code, reason);
  }
  t.is(worker.process.exitCode, null, worker.said());
});

withRedis('a search that is stopped takes back what nobody has begun, also where Redis is gone', async (t, redis) => {
  const all = await prepared(t);
  const queue = new Queue(queueName, { connection: { url: redis.url }, prefix });
  queue.on('error', () => {});
  t.teardown(() => queue.close());
  const client = redis.client();
  t.teardown(() => client.disconnect());
  const someSent = async () => (await client.keys('tinytrain:blob:*')).length > 0;
  const someAsked = async () => (await queue.getWaitingCount()) > 0;
  const begin = async (isGone: boolean, until = someAsked): Promise<number> => {
    const controller = new AbortController();
    const stopped = run(all, { ...small, workers: redis.url, signal: controller.signal });
    stopped.catch(() => {});
    while (!(await until())) await pause(10);
    if (isGone) await redis.kill();
    const began = performance.now();
    controller.abort();
    const error = await t.throwsAsync(stopped, { instanceOf: TinytrainError });
    t.is(error.code, 'ABORTED');
    return performance.now() - began;
  };
  await begin(false);
  t.is(await queue.getWaitingCount(), 0);
  t.true((await begin(true)) < 10_000);
  // Also amid what it sends.
  await redis.forget();
  await redis.begin();
  t.true((await begin(true, someSent)) < 10_000);
  await redis.begin();
});

withRedis('a wrong password, and no server at all, are told at once', async (t, redis) => {
  const all = await prepared(t);
  for (const [code, workers] of [
    ['REDIS_REFUSED', redis.url.replace('secret', 'wrong')],
    ['REDIS_REFUSED', redis.url.replace(':secret@', '')],
    ['REDIS_UNREACHABLE', 'redis://127.0.0.1:1'],
  ] as const) {
    const error = await t.throwsAsync(run(all, { ...small, workers }), { instanceOf: TinytrainError });
    t.is(error.code, code, error.message);
    t.false(error.message.includes('wrong'), error.message);
  }
});

withRedis('by TLS, with an authority of one’s own; where it is not trusted, that is told', async (t, plain) => {
  const folder = await temporary(t);
  const tls = await certificates(folder);
  if (!tls) {
    t.log('left out: openssl is not installed, or redis-server is built without TLS');
    t.pass();
    return;
  }
  await images(join(folder, 'images'), { 'train/cat': 5, 'train/dog': 5, 'test/cat': 2, 'test/dog': 2 });
  const redis = await RedisServer.start(t, tls);
  t.true(redis.url.startsWith('rediss://'));
  const plan = ['--budget', '100k', '--trial-steps', '2', '--proof-steps', '2', '--seeds', '1', '--data', 'images'];
  const trusting = { NODE_EXTRA_CA_CERTS: tls.authority };
  await startWorker(t, redis.url, undefined, trusting);
  for (const args of [
    ['--out', 'alone'],
    ['--out', 'spread', '--workers', redis.url],
  ]) {
    const { code, stderr } = await tinytrain(['search', ...plan, ...args], folder, trusting);
    t.is(code, 0, stderr);
  }
  t.deepEqual(await sumsOf(join(folder, 'spread')), await sumsOf(join(folder, 'alone')));
  t.is(JSON.parse(await fs.readFile(join(folder, 'spread', 'workers.json'), 'utf8')).workers.length, 1);

  const elsewhere = redis.url.replace('127.0.0.1', 'localhost');
  for (const [url, env, why] of [
    [redis.url, {}, /certificate/],
    [elsewhere, trusting, /altnames|certificate/i],
    [redis.url.replace('rediss', 'redis'), trusting, /./],
    [plain.url.replace('redis', 'rediss'), trusting, /./],
  ] as const) {
    const { code, stderr } = await tinytrain(['search', ...plan, '--out', 'x', '--workers', url], folder, env);
    t.is(code, 1, `${url}: ${stderr}`);
    t.regex(stderr, /^error: rediss?:\/\/[a-z0-9.:]+: Redis cannot be reached: /);
    t.regex(stderr, why);
    t.false(stderr.includes('secret'), 'the password is not shown');
  }
});

test('without the packages of the queue: one error that says what to install; nothing else needs them', async t => {
  const folder = await temporary(t);
  const main = await copied(t, '0.1.0', ['bullmq', 'ioredis']);
  const images = ['--budget', '100k', '--trial-steps', '1', '--proof-steps', '1', '--seeds', '1', '--time', '20s'];
  for (const args of [
    ['worker', '--redis', 'redis://127.0.0.1:1'],
    ['search', ...images, '--workers', 'redis://127.0.0.1:1'],
  ]) {
    const { code, stderr, stdout } = await tinytrain(args, folder, {}, main);
    t.is(code, 1, stderr);
    t.is(stdout, '');
    t.is(stderr.split('\n').filter(line => line.startsWith('error:')).length, 1, stderr);
    t.true(stderr.includes('  npm install bullmq ioredis'), stderr);
    t.deepEqual(await fs.readdir(folder), [], 'nothing is left behind');
  }
  const { code, stderr } = await tinytrain(['search', ...images, '--out', 'out'], folder, {}, main);
  t.is(code, 0, stderr);
});
