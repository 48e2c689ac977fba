import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import {
  loadModel,
  openFirmware,
  openRun,
  type PersonaliseEvent,
  type PersonaliseOptions,
  personalise,
  type Summary,
  TinytrainError,
} from '#tinytrain';
import { tinytrain } from '../helpers/cli.js';
import { images, temporary } from '../helpers/folder.js';
import { startWorker, withRedis } from '../helpers/redis.js';

const plan = { scheme: 'bias:3', steps: 60, seed: 5 } as const;

/** Folders of users, each with classes of their own. */
async function users(t: ExecutionContext, names: readonly string[]): Promise<string> {
  const folder = await temporary(t);
  for (const [i, name] of names.entries()) {
    const classes = i % 2 === 0 ? { cat: 5, dog: 5 } : { bike: 4, car: 6, dog: 5 };
    await images(join(folder, 'users', name), classes);
  }
  return folder;
}

async function made(
  folder: string,
  options: PersonaliseOptions,
  on: (event: PersonaliseEvent) => unknown = () => {},
): Promise<Summary> {
  for await (const event of personalise(await loadModel(), join(folder, 'users'), options)) {
    await on(event);
    if (event.type === 'done') return event.summary;
  }
  throw new Error('no summary');
}

test('each user gets the run that `train` makes, and the firmware that `compile --run` makes of it', async t => {
  const folder = await users(t, ['ann', 'bob', 'cem']);
  const out = join(folder, 'out');
  const summary = await made(folder, { ...plan, out, withFirmware: true, target: 'qemu-mps2-an386', threads: 2 });
  t.deepEqual(
    summary.people.map(({ user, classes }) => [user, classes.join()]),
    [
      ['ann', 'cat,dog'],
      ['bob', 'bike,car,dog'],
      ['cem', 'cat,dog'],
    ],
  );
  t.deepEqual(JSON.parse(await fs.readFile(join(out, 'summary.json'), 'utf8')), summary);
  const asked = ['--scheme', 'bias:3', '--seed', '5', '--target', 'qemu-mps2-an386', '--json'];
  const alone = await tinytrain(['train', '--data', 'users/bob', '--steps', '60', '--out', 'bob', ...asked], folder);
  t.is(alone.code, 0, alone.stderr);
  const { checksum, accuracy } = JSON.parse(alone.stdout);
  t.like(summary.people[1], { checksum, before: accuracy.before, after: accuracy.after });
  const program = (path: string) => fs.readFile(join(folder, path, 'program.ttp'));
  t.deepEqual(await program('out/bob'), await program('bob'));
  const [own, other] = [await openRun(join(out, 'bob')), await openRun(join(folder, 'bob'))];
  t.deepEqual((await own.state()).bytes, (await other.state()).bytes);
  const compiled = await tinytrain(['compile', '--run', 'bob', '--out', 'firmware', '--json'], folder);
  t.is(compiled.code, 0, compiled.stderr);
  t.deepEqual(
    (await openFirmware(join(out, 'bob', 'firmware'))).program,
    (await openFirmware(join(folder, 'firmware'))).program,
  );
  t.deepEqual(await program('out/bob/firmware'), await program('firmware'));
});

test('stopped and called again, it goes on with who is left; a user who fails keeps nobody from theirs', async t => {
  const folder = await users(t, ['ann', 'bob', 'cem', 'dia', 'eve']);
  await fs.writeFile(join(folder, 'users', 'cem', 'cat', '001.png'), 'no image');
  const options = { ...plan, out: join(folder, 'out'), threads: 1 };
  let busy = '';
  const controller = new AbortController();
  const stopped = made(folder, { ...options, signal: controller.signal }, async event => {
    if (event.type !== 'user') return;
    busy = await made(folder, options).then(
      () => 'nothing',
      (error: TinytrainError) => error.code,
    );
    controller.abort();
  });
  t.like(await t.throwsAsync(stopped, { instanceOf: TinytrainError }), {
    code: 'ABORTED',
    message: 'personalising was stopped',
  });
  t.is(busy, 'FOLDER_BUSY', 'one process at a time');
  const seen: string[] = [];
  const summary = await made(folder, options, event => {
    if (event.type === 'user') seen.push(`${event.person.user} ${event.isNew}`);
    if (event.type === 'failed') seen.push(`${event.person.user} ${event.person.code}`);
  });
  t.is(seen[0], 'ann false');
  t.true(seen.includes('cem IMAGE_CORRUPT') && seen.includes('eve true'), seen.join());
  t.is(summary.users, 5);
  t.deepEqual(
    summary.failed.map(({ user, code }) => [user, code]),
    [['cem', 'IMAGE_CORRUPT']],
  );
  const whole = await made(folder, { ...options, out: join(folder, 'whole'), threads: 3 });
  t.deepEqual(whole, summary);
  // With other options it does not go on.
  const other = await t.throwsAsync(made(folder, { ...options, steps: 61 }), { instanceOf: TinytrainError });
  t.is(other.code, 'PERSONALISE_DIFFERS');
  t.true(other.message.includes('steps'), other.message);
  // The command says the same, and ends with 1.
  const args = ['personalise', 'users', '--scheme', 'bias:3', '--steps', '60', '--seed', '5', '--out', 'again'];
  const { code, stdout } = await tinytrain([...args, '--json'], folder);
  t.is(code, 1);
  t.deepEqual(JSON.parse(stdout).people, summary.people);
});

test('what would stop every user stops at once', async t => {
  const folder = await users(t, ['ann', 'bob']);
  for (const [code, options] of [
    ['SCHEME_INVALID', { scheme: 'bias:999' }],
    ['BUDGET_EXCEEDED', { budget: 1000 }],
  ] as const) {
    const stopped = made(folder, { ...options, steps: 1, out: join(folder, code) });
    t.is((await t.throwsAsync(stopped, { instanceOf: TinytrainError })).code, code);
  }
  await fs.mkdir(join(folder, 'nobody'));
  const nobody = await tinytrain(['personalise', 'nobody', '--out', 'x'], folder);
  t.is(nobody.code, 1);
  t.regex(nobody.stderr, /no folders of users/);
});

withRedis('trained by workers, one of whom is killed: the same, for every user', async (t, redis) => {
  const folder = await users(t, ['ann', 'bob', 'cem', 'dia', 'eve', 'fay']);
  const options = { ...plan, steps: 400 };
  const alone = await made(folder, { ...options, out: join(folder, 'alone') });
  const [first] = [await startWorker(t, redis.url), await startWorker(t, redis.url)];
  let isKilled = false;
  const spread = await made(
    folder,
    { ...options, out: join(folder, 'spread'), workers: redis.url, withFirmware: true },
    async event => {
      if (event.type !== 'user' || isKilled) return;
      isKilled = true;
      first.process.kill('SIGKILL');
    },
  );
  t.true(isKilled);
  t.deepEqual(spread, alone);
  for (const { user } of alone.people) {
    const [own, other] = [await openRun(join(folder, 'spread', user)), await openRun(join(folder, 'alone', user))];
    t.deepEqual(await own.state(), await other.state());
    const [{ seconds: _, rates, ...result }, { seconds: __, rates: found, ...expected }] = [
      (await own.result()) ?? { seconds: 0, rates: null },
      (await other.result()) ?? { seconds: 0, rates: null },
    ];
    t.deepEqual(result, expected);
    t.deepEqual({ ...rates, seconds: 0 }, { ...found, seconds: 0 });
  }
  const client = redis.client();
  t.teardown(() => client.disconnect());
  await pause(100);
  t.deepEqual(await client.keys('tinytrain:blob:*'), [], 'nothing of the users is left');
});
