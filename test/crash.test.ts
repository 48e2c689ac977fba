import { existsSync, promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  compile,
  createRun,
  defaultImages,
  loadImages,
  loadModel,
  openFirmware,
  openRun,
  type SearchPlan,
  search,
  TinytrainError,
  type TrialRecord,
  train,
} from '#tinytrain';
import { firmwareFiles, writeFirmware } from '#tinytrain/device/firmware.js';
import { OwnFolder } from '#tinytrain/folder.js';
import { originOf } from '#tinytrain/origin.js';
import { Journal } from '#tinytrain/search/journal.js';
import { changesOf, failing, faults } from './helpers/faults.js';
import { contentOf, quick, smallSet, write } from './helpers/folder.js';
import { patient } from './helpers/progress.js';

/** All changes fail in turn with `TINYTRAIN_CRASH=all`; else so many, evenly, where a run takes long. */
function places(changes: number, most: number): number[] {
  const count = process.env['TINYTRAIN_CRASH'] === 'all' ? changes : Math.min(most, changes);
  return Array.from({ length: count }, (_, i) => Math.floor((i * changes) / count));
}

async function small() {
  const model = await loadModel();
  return { model, data: await defaultImages(model.input, { trainPerClass: 3, testPerClass: 1 }) };
}

test.serial('train: whichever change of the disk fails, the run goes on and ends with the same bits', async t => {
  const feed = patient(t);
  const root = await quick(t);
  const { model, data } = await small();
  const program = await compile(model, data, { scheme: 'bias:2' });
  const options = { steps: 5, lr: 0.01, keep: 'last', checkpointSeconds: 0 } as const;
  const start = async (path: string) => train(program, data, { ...options, run: await createRun(path) });
  const goOn = async (path: string) => train(program, data, { ...options, run: await openRun(path) });
  let wanted = '';
  const changes = await changesOf(async () => {
    wanted = (await start(join(root, 'whole'))).checksum;
  });
  let tried = 0;
  for (const fault of faults) {
    for (const at of places(changes, 30)) {
      const path = join(root, `${fault}-${at}`);
      await write(path, { 'notes.txt': 'of the user' });
      const error = await failing(at, fault, () => start(path));
      const found = await openRun(path).then(
        () => true,
        () => false,
      );
      if (error === undefined) t.true(found, `${fault} at ${at}: said to be written`);
      t.is((await (found ? goOn(path) : start(path))).checksum, wanted, `${fault} at ${at}`);
      const names = ['notes.txt', 'program.ttp', 'result.json', 'run.json', 'state.json'];
      t.deepEqual((await fs.readdir(path)).filter(name => !name.endsWith('.unfinished')).sort(), names);
      t.is(await fs.readFile(join(path, 'notes.txt'), 'utf8'), 'of the user');
      tried++;
      feed();
    }
  }
  t.log(`${changes} changes, ${tried} failures`);
});

test.serial('compile: an older firmware or the new one, complete; what the user has added stays', async t => {
  const feed = patient(t);
  const root = await quick(t);
  const { model, data } = await small();
  const filesOf = async (scheme: string) =>
    firmwareFiles(await compile(model, data, { scheme, target: 'stm32f746' }), data, 'stm32f746');
  const [older, newer] = [await filesOf('bias:2'), await filesOf('head')];
  const theirs = { 'notes.txt': 'of the user', 'app/more.c': 'of the user', 'build/x.o': 'built' };
  const made = join(root, 'older');
  await writeFirmware(made, older);
  await write(made, { ...theirs, 'app/main.c': 'changed by the user' });
  const before = await contentOf(made);
  const textsOf = (files: typeof newer) =>
    Object.fromEntries([...files].map(([k, v]) => [k, Buffer.from(v).toString()]));
  const after = { ...textsOf(newer), ...theirs, 'app/main.c': 'changed by the user' };
  const fresh = async (path: string) => {
    await fs.cp(made, path, { recursive: true });
    return path;
  };
  const changes = await changesOf(async () => writeFirmware(await fresh(join(root, 'counted')), newer));
  t.deepEqual(await contentOf(join(root, 'counted')), after);
  const ends = { old: 0, new: 0 };
  for (const fault of faults) {
    for (const at of places(changes, 1000)) {
      const path = await fresh(join(root, `${fault}-${at}`));
      const error = await failing(at, fault, () => writeFirmware(path, newer));
      // Until its end is written, nothing can be built of it.
      if (existsSync(join(path, '.tinytrain.new/commit.json'))) {
        t.regex(
          await fs.readFile(join(path, 'Makefile'), 'utf8'),
          /ifneq \(\$\(wildcard \.tinytrain\.new\/commit\.json\),\)/,
        );
      }
      const { program } = await openFirmware(path);
      await (await OwnFolder.open(path)).close();
      const isNew = program.scheme === 'head';
      t.deepEqual(await contentOf(path), isNew ? after : before, `${fault} at ${at}`);
      if (error === undefined) t.true(isNew, `${fault} at ${at}: said to be written`);
      ends[isNew ? 'new' : 'old']++;
      await fs.rm(path, { recursive: true });
      feed();
    }
  }
  t.log(`${changes} changes, each failing in ${faults.length} ways: old ${ends.old}, new ${ends.new}`);
});

test.serial('cache: whichever change fails, what is read is right', async t => {
  const feed = patient(t);
  const root = await quick(t);
  await smallSet(join(root, 'images'), 4, 2);
  const { input } = await loadModel();
  const load = (cacheFolder: string) => loadImages(join(root, 'images'), input, { cacheFolder });
  let wanted = '';
  const hashOf = async (folder: string) => {
    const { train: learned, test: measured } = await load(folder);
    return `${learned.hash()} ${measured.hash()}`;
  };
  const changes = await changesOf(async () => {
    wanted = await hashOf(join(root, 'cache'));
  });
  for (const fault of faults) {
    for (let at = 0; at < changes; at++) {
      const folder = join(root, `${fault}-${at}`);
      // What cannot be cached is made in memory.
      t.is(await failing(at, fault, async () => t.is(await hashOf(folder), wanted)), undefined, `${fault} at ${at}`);
      t.is(await hashOf(folder), wanted, `${fault} at ${at}`);
      t.is(await hashOf(folder), wanted, `${fault} at ${at}`);
      feed();
    }
  }
  t.log(`${changes} changes, each failing in ${faults.length} ways`);
});

test.serial(
  'search: whichever change fails, its journal goes on, and what it has found is written as a whole',
  async t => {
    const feed = patient(t);
    const root = await quick(t);
    const { model, data } = await small();
    const program = await compile(model, data);
    const plan: SearchPlan = {
      ...{ budgets: [90_000], flash: null, maxInstructions: null, maxMilliseconds: null, costs: null },
      ...{
        target: 'stm32f746',
        feed: 'whole',
        residualBits: 4,
        criterion: 'loss',
        seed: 0,
        seeds: 1,
        trialSteps: 1,
        proofSteps: 1,
      },
      ...{ heldBack: 0.2, lr: 'auto' },
    };
    const head = { identity: { model: model.hash }, origin: originOf(program, data), plan };
    const trials = Array.from({ length: 4 }, (_, seed): TrialRecord => {
      const [key, found] = [
        { scheme: 'head', residualBits: 4, seed, steps: 1, on: 'test' },
        { accuracy: 0.5, loss: 1 },
      ];
      return { ...key, ...found, checksum: program.hash } as TrialRecord;
    });
    const found = new Map<string, string | Uint8Array>([
      ['scheme.json', '{}'],
      ['search.json', '{}'],
      ['program.ttp', program.toBytes()],
    ]);
    // What a search does on disk, without its trainings.
    const run = async (out: string, resume: boolean) => {
      const journal = await Journal.open(out, head, resume);
      try {
        await journal.begin();
        for (const trial of trials) if (!journal.get(trial)) await journal.add(trial, 1);
        await journal.folder?.write(found);
      } finally {
        await journal.close();
      }
    };
    const changes = await changesOf(() => run(join(root, 'whole'), false));
    const wanted = await contentOf(join(root, 'whole'));
    for (const fault of faults) {
      for (let at = 0; at < changes; at++) {
        const out = join(root, `${fault}-${at}`);
        const error = await failing(at, fault, () => run(out, false));
        const begun = existsSync(join(out, 'journal.jsonl'));
        if (error === undefined) t.true(begun, `${fault} at ${at}: said to be written`);
        await run(out, begun);
        const names = (await fs.readdir(out)).filter(name => !name.endsWith('.unfinished'));
        t.deepEqual(names.sort(), Object.keys(wanted).sort(), `${fault} at ${at}`);
        for (const name of names)
          t.is(await fs.readFile(join(out, name), 'utf8'), wanted[name] ?? '', `${name}, ${fault} at ${at}`);
        feed();
      }
    }
    t.log(`${changes} changes, each failing in ${faults.length} ways`);
  },
);

test.serial('who trains or searches in the folder of another is told', async t => {
  const root = await quick(t);
  const { model, data } = await small();
  const program = await compile(model, data);
  const path = join(root, 'run');
  const busy = { instanceOf: TinytrainError, code: 'FOLDER_BUSY' };
  const own = await OwnFolder.open(path);
  await t.throwsAsync(createRun(path), busy);
  await t.throwsAsync(writeFirmware(path, await firmwareFiles(program, data, 'stm32f746')), busy);
  const searched = search(model, data, { budgets: [100_000], out: path });
  await t.throwsAsync(async () => {
    for await (const _ of searched);
  }, busy);
  await own.close();
  t.false(existsSync(path));
});
