import { promises as fs } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  compile,
  createRun,
  defaultImages,
  loadImages,
  loadModel,
  openRun,
  search,
  TinytrainError,
  train,
} from '#tinytrain';
import { firmwareFiles, openFirmware, writeFirmware } from '#tinytrain/device/firmware.js';
import { searchOrigin } from '#tinytrain/search/journal.js';
import { quick, smallSet } from './helpers/folder.js';
import { patient } from './helpers/progress.js';

/** With `TINYTRAIN_CRASH=all` a bit of every byte is flipped, else of large files of every so many only. */
const all = process.env['TINYTRAIN_CRASH'] === 'all';

/** Flips a bit of each byte in turn, another one from byte to byte. Reading must fail in one sentence that names the file. */
async function eachFlipRefused(
  t: ExecutionContext,
  path: string,
  codes: readonly string[],
  read: () => Promise<unknown>,
  stride = 1,
): Promise<number> {
  const whole = await fs.readFile(path);
  // Another version is one of the whole folder.
  const placeOf = ({ code }: TinytrainError) => (code.endsWith('_VERSION') ? dirname(path) : path);
  let flips = 0;
  for (let at = 0; at < whole.length; at += all ? 1 : stride) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    await fs.writeFile(path, changed);
    const error = await read().then(
      () => undefined,
      error => error,
    );
    if (!(error instanceof TinytrainError && codes.includes(error.code) && error.message.startsWith(placeOf(error)))) {
      t.fail(`${path}, bit ${at % 8} of byte ${at}: ${error}`);
      break;
    }
    flips++;
  }
  await fs.writeFile(path, whole);
  await read();
  return flips;
}

async function small() {
  const model = await loadModel();
  const data = await defaultImages(model.input, { trainPerClass: 3, testPerClass: 1 });
  return { model, data, program: await compile(model, data, { scheme: 'bias:1', target: 'stm32f746' }) };
}

test('a flipped bit anywhere in the folder of a run is refused, with the file', async t => {
  patient(t);
  const path = join(await quick(t), 'run');
  const { data, program } = await small();
  await train(program, data, { steps: 3, lr: 0.01, run: await createRun(path) });
  const run = await openRun(path);
  const [json, ttp] = [['RUN_BROKEN'], ['PROGRAM_BROKEN', 'PROGRAM_VERSION', 'PROGRAM_DIFFERS']];
  const flips = {
    'run.json': await eachFlipRefused(t, join(path, 'run.json'), json, () => run.record()),
    'state.json': await eachFlipRefused(t, join(path, 'state.json'), json, () => run.state(), 5),
    'result.json': await eachFlipRefused(t, join(path, 'result.json'), json, () => run.result(), 5),
    'program.ttp': await eachFlipRefused(t, join(path, 'program.ttp'), ttp, () => run.program(), 211),
  };
  t.log(JSON.stringify(flips));
  t.pass();
});

test('a flipped bit in a manifest or a journal is refused, with the file', async t => {
  patient(t);
  const root = await quick(t);
  const { model, data, program } = await small();
  const firmware = join(root, 'firmware');
  await writeFirmware(firmware, await firmwareFiles(program, data, 'stm32f746'));
  const out = join(root, 'search');
  for await (const event of search(model, data, { budgets: [90_000], trialSteps: 2, proofSteps: 2, lr: 0.01, out })) {
    if (event.type === 'progress' && event.done > 2) break;
  }
  const flips = {
    'manifest.json': await eachFlipRefused(
      t,
      join(firmware, 'manifest.json'),
      ['FIRMWARE_BROKEN', 'FIRMWARE_VERSION'],
      () => openFirmware(firmware),
      3,
    ),
    'journal.jsonl': await eachFlipRefused(
      t,
      join(out, 'journal.jsonl'),
      ['SEARCH_BROKEN'],
      () => searchOrigin(out),
      7,
    ),
  };
  t.log(JSON.stringify(flips));
  t.pass();
});

test('random bits of the cache may flip: what is read is right, and the cache mends itself', async t => {
  patient(t);
  const root = await quick(t);
  await smallSet(join(root, 'images'), 4, 2);
  const { input } = await loadModel();
  const cacheFolder = join(root, 'cache');
  const load = async (memoryLimit?: number) => {
    const { train: learned, test: measured } = await loadImages(join(root, 'images'), input, {
      cacheFolder,
      memoryLimit,
    });
    return `${learned.hash()} ${measured.hash()}`;
  };
  const wanted = await load();
  const whole = new Map<string, Buffer>();
  for (const name of await fs.readdir(cacheFolder)) whole.set(name, await fs.readFile(join(cacheFolder, name)));
  t.is(whole.size, 2);
  let random = 1;
  const next = (below: number) => {
    random = (random * 48271) % 0x7fffffff;
    return random % below;
  };
  let flips = 0;
  for (const [name, content] of whole) {
    for (let i = 0; i < (all ? 2000 : 60); i++) {
      const changed = Buffer.from(content);
      const at = next(content.length);
      changed[at] = (changed[at] ?? 0) ^ (1 << next(8));
      await fs.writeFile(join(cacheFolder, name), changed);
      t.is(await load(i % 2 === 0 ? undefined : 0), wanted, `${name}, byte ${at}`);
      t.deepEqual(await fs.readFile(join(cacheFolder, name)), content, `${name}, byte ${at}: mended`);
      flips++;
    }
  }
  t.log(`${flips} flips`);
});
