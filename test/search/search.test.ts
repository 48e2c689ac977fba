import { spawn } from 'node:child_process';
import { existsSync, promises as fs } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import {
  compile,
  costTable,
  loadImages,
  loadModel,
  type Model,
  type SampleSet,
  type SearchEvent,
  type SearchOptions,
  type SearchResult,
  search,
  searchOrigin,
  TinytrainError,
} from '#tinytrain';
import { reopenProgram } from '#tinytrain/origin.js';
import { Compiler } from '#tinytrain/program/compiler.js';
import { candidateOf } from '#tinytrain/search/candidate.js';
import { CandidateCosts, unlimited } from '#tinytrain/search/costs.js';
import { images, temporary } from '../helpers/folder.js';

const small = { budgets: [100_000], trialSteps: 4, proofSteps: 6, seeds: 2, seed: 3 } satisfies SearchOptions;

async function prepared(t: ExecutionContext): Promise<{ folder: string; model: Model; data: SampleSet }> {
  const folder = await temporary(t);
  await images(join(folder, 'samples'), { 'train/cat': 5, 'train/dog': 5, 'test/cat': 2, 'test/dog': 2 });
  const model = await loadModel();
  return { folder, model, data: await loadImages(join(folder, 'samples'), model.input) };
}

async function finished(events: AsyncIterable<SearchEvent>): Promise<{ result: SearchResult; types: string[] }> {
  const types = new Set<string>();
  for await (const event of events) {
    types.add(event.type);
    if (event.type === 'done') return { result: event.result, types: [...types] };
  }
  throw new Error('no result');
}

test('the same seed finds the same with any number of threads and with no cache; what is found fits', async t => {
  const { folder, model, data } = await prepared(t);
  const out = join(folder, 'one');
  const { result, types } = await finished(search(model, data, { ...small, threads: 1, out }));
  const phases = ['analysis', 'generation', 'finalists', 'proof', 'done'];
  t.deepEqual(types, ['begin', 'progress', 'trial', 'round', ...phases]);
  const { result: other } = await finished(search(model, data, { ...small, threads: 3, cacheBytes: 0 }));
  t.deepEqual(other, result);
  t.deepEqual(JSON.parse(await fs.readFile(join(out, 'search.json'), 'utf8')), result);
  const { scheme, sram } = JSON.parse(await fs.readFile(join(out, 'scheme.json'), 'utf8'));
  t.is(scheme, result.scheme);
  t.is(sram, result.memory.sram.total);
  t.true(sram <= 100_000);
  t.true(result.trials.every(({ seed }) => seed >= 3 && seed < 9));
  t.true(result.trials.some(({ on }) => on === 'test'));
  t.is(result.accuracy.validation.seeds, 2);
  t.is(result.accuracy.test?.seeds, 2);
  const [{ comparisons } = { comparisons: [] }] = result.front;
  t.deepEqual(
    comparisons.map(({ name }) => name),
    result.baselines.filter(({ accuracy }) => accuracy.test).map(({ name }) => name),
  );
  t.true(comparisons.some(({ kind }) => kind === 'baseline'));
  t.true(comparisons.every(({ difference }) => difference.seeds === 2));
  t.true([...result.front, ...result.baselines].some(({ name }) => name === 'head only'));
});

test('a search that is stopped in any phase and resumed finds the same', async t => {
  const { folder, model, data } = await prepared(t);
  const { result: whole } = await finished(search(model, data, small));
  const out = join(folder, 'stopped');
  for (const phase of ['analysis', 'evolution', 'proof', 'test'] as const) {
    const controller = new AbortController();
    const events = search(model, data, { ...small, out, resume: phase !== 'analysis', signal: controller.signal });
    const stopped = (async () => {
      for await (const event of events) {
        if (event.type === 'progress' && event.phase === phase && event.done > 0) controller.abort();
      }
    })();
    const error = await t.throwsAsync(stopped, { instanceOf: TinytrainError });
    t.is(error.code, 'ABORTED', phase);
  }
  // A process that dies may leave half a line.
  await fs.appendFile(join(out, 'journal.jsonl'), '{"trial":{"scheme"');
  const { result } = await finished(search(model, data, { ...small, out, resume: true }));
  t.deepEqual(result, whole);
});

test('kill -9 in each phase, then resume: the files of a search that was left alone', async t => {
  const { folder } = await prepared(t);
  const program = fileURLToPath(new URL('../helpers/killed-search.js', import.meta.url));
  const run = (phase: string, out: string, how: 'new' | 'resume') =>
    new Promise<string | number | null>((resolve, reject) => {
      const child = spawn(process.execPath, [program, phase, join(folder, 'samples'), out, how], { stdio: 'ignore' });
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(signal ?? code));
    });
  const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')];
  t.is(await run('never', whole, 'new'), 0);
  const runs = async () => (await fs.readFile(join(killed, 'journal.jsonl'), 'utf8')).split('\n').length;
  let before = 0;
  for (const phase of ['analysis', 'evolution', 'proof', 'test']) {
    t.is(await run(phase, killed, before === 0 ? 'new' : 'resume'), 'SIGKILL', phase);
    // The lock of a process that has died keeps nobody out.
    const names = (await fs.readdir(killed)).filter(name => name !== '.tinytrain.lock');
    t.deepEqual(names, ['journal.jsonl'], phase);
    const now = await runs();
    t.true(now >= before, phase);
    before = now;
  }
  t.is(await run('never', killed, 'resume'), 0);
  for (const name of ['scheme.json', 'search.json']) {
    const [one, other] = await Promise.all([whole, killed].map(path => fs.readFile(join(path, name), 'utf8')));
    t.is(other, one, name);
  }
});

test('who stops listening stops the search', async t => {
  const { model, data } = await prepared(t);
  for await (const event of search(model, data, small)) if (event.type === 'progress') break;
  t.pass();
});

test('several budgets share the analysis and give a front', async t => {
  const { folder, model, data } = await prepared(t);
  const out = join(folder, 'front');
  const { result } = await finished(search(model, data, { ...small, budgets: [120_000, 60_000], out }));
  t.deepEqual(
    result.front.map(({ budget, sram }) => [budget, sram <= budget]),
    [
      [60_000, true],
      [120_000, true],
    ],
  );
  t.is(result.budget, 120_000);
  const scheme = JSON.parse(await fs.readFile(join(out, 'scheme-60000.json'), 'utf8'));
  t.is(scheme.scheme, result.front[0]?.scheme);
});

test('a limit on instructions holds for everything that is tried; it is part of what a search is', async t => {
  const { folder, model, data } = await prepared(t);
  const out = join(folder, 'limited');
  const limited = { ...small, maxInstructions: 12_000_000, seeds: 1 };
  const { result } = await finished(search(model, data, { ...limited, out }));
  t.true(result.instructions.trainStep <= 12_000_000);
  t.true(result.baselines.some(({ kind }) => kind === 'random'));
  t.true(result.baselines.every(({ instructions }) => instructions <= 12_000_000));
  // Twice the costs leave room for nothing.
  const table = costTable();
  const twice = Object.entries(table.costs).map(
    ([kind, [a, b, c, d]]) => [kind, [2 * a, 2 * b, 2 * c, 2 * d] as const] as const,
  );
  const costs = { core: table.core, costs: Object.fromEntries(twice) };
  const error = await t.throwsAsync(finished(search(model, data, { ...limited, costs })), {
    instanceOf: TinytrainError,
  });
  t.is(error.code, 'BUDGET_TOO_SMALL');
  t.regex(error.message, /training the head alone takes [\d,]+ per step/);
  t.true(Number(error.details['least']) > 12_000_000);
  const other = search(model, data, { ...limited, costs, out, resume: true });
  const differs = await t.throwsAsync(finished(other), { instanceOf: TinytrainError });
  t.deepEqual(differs.details['differing'], ['costs']);
});

test('a limit on milliseconds holds for everything that is tried', async t => {
  const { model, data } = await prepared(t);
  const { result } = await finished(search(model, data, { ...small, maxMilliseconds: 45, seeds: 1 }));
  const { milliseconds, clockHz, source } = result.time?.trainStep ?? {};
  t.true((milliseconds?.likely ?? Infinity) <= 45);
  t.deepEqual([clockHz, source], [216_000_000, 'modelled']);
  t.true(result.baselines.every(one => (one.milliseconds ?? Infinity) <= 45));
  const error = await t.throwsAsync(finished(search(model, data, { ...small, maxMilliseconds: 0.5 })), {
    instanceOf: TinytrainError,
  });
  t.is(error.code, 'BUDGET_TOO_SMALL');
  t.regex(
    error.message,
    /a limit of 0.5 milliseconds is below the smallest scheme: training the head alone takes [\d.]+ per step/,
  );
});

test('a candidate has the cost of a cut where one fits; where none does it stays whole, above the budget as the nearest cut is', async t => {
  const compiler = await Compiler.create(await loadModel(), { classes: ['cat', 'dog'] });
  const costs = new CandidateCosts(compiler, {
    target: 'stm32f746',
    feed: 'whole',
    pixelTables: 0,
    table: null,
    threads: 2,
  });
  const seen = new Set<string>();
  for (const [scheme, budget] of [
    ['head', 60_000],
    ['head', 20_000],
    ['bias:3', 24_000],
    ['bias:21,2:1,12:1', 40_000],
    ['bias:14,12:1,18:1', 30_000],
  ] as const) {
    const candidate = candidateOf(scheme, compiler.layers, 4);
    if (!candidate) return t.fail(scheme);
    const [cost] = await costs.of([candidate], { ...unlimited, sram: budget });
    const [whole] = await costs.of([candidate], unlimited);
    const nearest = await compiler.compile({ scheme, budget, target: 'stm32f746' }).then(
      ({ memory }) => memory.sram.total,
      ({ details }: TinytrainError) => Number(details['needed']),
    );
    if (!cost || !whole) return t.fail(scheme);
    t.is(cost.sram <= budget, nearest <= budget, scheme);
    t.true(cost.sram >= nearest, scheme);
    if (whole.sram <= budget) seen.add('whole');
    else if (cost.sram <= budget) seen.add('cut');
    else if (cost.sram > nearest) seen.add('left whole');
  }
  t.deepEqual([...seen].sort(), ['cut', 'left whole', 'whole']);
});

test('nothing is left behind by a search that cannot be', async t => {
  const { folder, model, data } = await prepared(t);
  const out = join(folder, 'none', 'deep');
  await t.throwsAsync(finished(search(model, data, { ...small, budgets: [1000], out })));
  await t.throwsAsync(finished(search(model, data, { ...small, maxInstructions: 1, out })));
  t.false(existsSync(join(folder, 'none')));
});

test('residual bits can be chosen by the search', async t => {
  const { model, data } = await prepared(t);
  const { result } = await finished(search(model, data, { ...small, residualBits: 'any' }));
  t.true([0, 2, 4, 8].includes(result.residualBits));
  t.true(result.contributions.bits.length === 0 || result.contributions.bits.length === 3);
});

test('what cannot be searched is refused, with what the least is', async t => {
  const { folder, model, data } = await prepared(t);
  const code = async (options: SearchOptions, set = data) => {
    const error = await t.throwsAsync(finished(search(model, set, options)), { instanceOf: TinytrainError });
    return error;
  };
  const small1 = await code({ ...small, budgets: [2_000, 100_000] });
  t.is(small1.code, 'BUDGET_TOO_SMALL');
  t.regex(small1.message, /needs [\d,]+ B/);
  t.true(Number(small1.details['least']) > 2_000);
  const flash = await code({ ...small, flash: 1000 });
  t.is(flash.code, 'BUDGET_TOO_SMALL');
  t.is((await code({ ...small, seeds: 0 })).code, 'OPTION_INVALID');
  t.is((await code({ ...small, budgets: [] })).code, 'OPTION_INVALID');
  await images(join(folder, 'few'), { 'train/cat': 5, 'train/dog': 1, 'test/cat': 2, 'test/dog': 2 });
  const few = await code(small, await loadImages(join(folder, 'few'), model.input));
  t.is(few.code, 'SAMPLES_TOO_FEW');
  t.is(few.details['least'], 2);
  const one = { ...data, classes: ['cat'], train: data.train.subset([0, 1]) };
  t.is((await code(small, one)).code, 'CLASSES_TOO_FEW');
});

test('a search is not overwritten, and not continued with anything else', async t => {
  const { folder, model, data } = await prepared(t);
  const out = join(folder, 'kept');
  for await (const event of search(model, data, { ...small, out })) if (event.type === 'progress') break;
  const fails = async (options: SearchOptions) =>
    t.throwsAsync(finished(search(model, data, options)), { instanceOf: TinytrainError });
  t.is((await fails({ ...small, out }))?.code, 'SEARCH_EXISTS');
  const differs = await fails({ ...small, trialSteps: 5, out, resume: true });
  t.is(differs?.code, 'SEARCH_DIFFERS');
  t.deepEqual(differs?.details['differing'], ['trialSteps']);
  t.is((await fails({ ...small, out: join(folder, 'none'), resume: true }))?.code, 'SEARCH_MISSING');
  // Other samples, although the set says that it is the same: what is held back tells.
  const order = Array.from(data.train.labels.keys()).reverse();
  const other = { ...data, train: data.train.subset(order) };
  const samples = await t.throwsAsync(finished(search(model, other, { ...small, out, resume: true })), {
    instanceOf: TinytrainError,
  });
  t.is(samples?.code, 'SEARCH_DIFFERS');
  t.deepEqual(samples?.details['differing'], ['held-back samples']);
  t.regex(samples?.message ?? '', /held-back samples differ from before/);
});

test('the folder of a search holds the Program that `compile` makes of its scheme', async t => {
  const { folder, model, data } = await prepared(t);
  const out = join(folder, 'found');
  const { result } = await finished(search(model, data, { ...small, seeds: 1, out }));
  const { scheme, residualBits, plan } = result;
  const limits = { budget: 100_000, target: 'stm32f746' };
  const { hash } = await compile(model, data, { scheme, residualBits, seed: plan.seed, ...limits });
  const program = await reopenProgram(out, result.origin, result.program);
  t.deepEqual([program.hash, result.program.hash], [hash, hash]);
  t.deepEqual(program.memory, result.memory);
  t.deepEqual(program.limits, limits);
});

test('a journal that was changed is refused, with the line', async t => {
  const { folder, model, data } = await prepared(t);
  const out = join(folder, 'changed');
  let runs = 0;
  for await (const event of search(model, data, { ...small, out })) {
    if (event.type === 'progress' && ++runs > 5) break;
  }
  const path = join(out, 'journal.jsonl');
  const whole = await fs.readFile(path, 'utf8');
  const { origin, plan } = await searchOrigin(out);
  t.deepEqual(origin.data.origin, data.origin);
  t.is(plan.trialSteps, small.trialSteps);
  const changes: [RegExp, (text: string) => string][] = [
    [/journal\.jsonl:1: .* it was changed/, text => text.replace('"trialSteps":4', '"trialSteps":5')],
    [/journal\.jsonl:1: .* format 2; .* reads format 3/, text => text.replace('"format":3', '"format":2')],
    [/journal\.jsonl:2: .* it was changed/, text => text.replace(/"accuracy":[\d.]+/, '"accuracy":0.125')],
    [/journal\.jsonl:2: .* not JSON/, text => text.replace('\n{', '\n')],
    [/journal\.jsonl:\d+: .* format is missing/, text => `${text}{}\n`],
  ];
  for (const [message, change] of changes) {
    await fs.writeFile(path, change(whole));
    const resumed = finished(search(model, data, { ...small, out, resume: true }));
    const error = await t.throwsAsync(resumed, { instanceOf: TinytrainError });
    t.is(error.code, 'SEARCH_BROKEN');
    t.regex(error.message, message);
  }
});

test('a time limit holds, and what was left out is said', async t => {
  const { model, data } = await prepared(t);
  const began = performance.now();
  try {
    const { result } = await finished(search(model, data, { ...small, trialSteps: 200, proofSteps: 50, seconds: 8 }));
    t.true(result.leftOut.length > 0);
  } catch (error) {
    // A machine at work with other things may not come as far as a proof.
    t.true(error instanceof TinytrainError && error.code === 'TIME_TOO_SHORT');
  }
  t.true(performance.now() - began < 20_000);
});
