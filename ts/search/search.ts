import { availableParallelism } from 'node:os';
import { Channel } from '../channel.js';
import type { SampleSet } from '../data/dataset.js';
import { aborted, TinytrainError } from '../errors.js';
import type { Model } from '../model/model.js';
import { options as all, cacheBytesOf } from '../options.js';
import { originOf } from '../origin.js';
import type { Program } from '../program/program.js';
import { Crew } from '../queue/crew.js';
import { placeOf } from '../queue/redis.js';
import { version } from '../version.js';
import { contributionsOf, finalistsOf } from './choice.js';
import { Clock } from './clock.js';
import { CandidateCosts } from './costs.js';
import { expectedFinals, prove, test, toTest } from './finals.js';
import { writeSearch } from './folder.js';
import { contentHash, type SearchSamples, searchSamples } from './heldout.js';
import { Journal } from './journal.js';
import { limitsOf } from './limits.js';
import { checkSearch, searchPlanOf } from './plan.js';
import { winner } from './proof.js';
import { QueuedRunner } from './queued.js';
import { resultOf } from './result.js';
import { LocalRunner } from './runner.js';
import type { Maker } from './trial.js';
import { Trials } from './trials.js';
import type { Proved, SearchEvent, SearchOptions, SearchPlan, SearchResult, TrialRecord } from './types.js';
import type { SearchWork } from './work.js';

/** A new journal, or the existing one, which must belong to the same search. */
async function journalOf(
  model: Model,
  data: SampleSet,
  samples: SearchSamples,
  plan: SearchPlan,
  { out, files, resume = false }: SearchOptions,
): Promise<Journal> {
  if (out === undefined) return Journal.inMemory();
  const identity = {
    tinytrain: version,
    model: model.hash,
    samples: data.hash,
    'held-back samples': await contentHash(samples.validation),
    ...plan,
  };
  return Journal.open(
    out,
    { identity, origin: originOf({ model: model.origin, input: model.input }, data), plan },
    resume,
    files,
  );
}

/** The Program of the found scheme, calibrated on all training samples: the one that `compile` yields for this scheme. */
async function programOf({ trials, plan, limits, clock }: SearchWork, found: Proved): Promise<Program> {
  const compiler = await trials.compiler(plan.seed, 'test');
  const { scheme, residualBits } = found;
  const { target, feed } = plan;
  return compiler.compile({
    scheme,
    residualBits,
    target,
    feed,
    budget: limits.at(-1)?.sram,
    flash: plan.flash ?? undefined,
    signal: clock.signal,
  });
}

/** The phases of a search, one after the other. */
async function phases(work: SearchWork, data: SampleSet): Promise<{ result: SearchResult; program: Program }> {
  const { clock, plan, trials, emit } = work;
  clock.enter('analysis');
  const contributions = await contributionsOf(work);
  clock.expected.analysis = trials.steps;
  emit({ type: 'analysis', contributions });
  clock.enter('evolution');
  const entered = await finalistsOf(work, contributions);
  emit({ type: 'finalists', finalists: entered });
  clock.enter('proof');
  const proved = await prove(work, entered);
  const winners = plan.budgets.map(budget => winner(proved.filter(({ sram }) => sram <= budget)));
  const found = winners.at(-1);
  if (!found) {
    throw new TinytrainError('TIME_TOO_SHORT', 'the time ran out before any scheme was proved', {
      help: ['allow more with --time, or continue with --resume'],
    });
  }
  clock.enter('test');
  const tested = await test(work, toTest(proved, winners, plan.budgets));
  const program = await programOf(work, found);
  return { program, result: resultOf(work, data, { contributions, proved, winners, found, tested, program }) };
}

/** The workers, where the runs are not made by this process. Nothing of the queue is loaded otherwise. */
async function crewOf({ workers, signal }: SearchOptions, emit: SearchWork['emit']): Promise<Crew | undefined> {
  if (workers === undefined) return undefined;
  const place = placeOf(workers);
  return Crew.join(workers, found => emit({ type: 'workers', place, workers: found }), signal);
}

async function run(model: Model, data: SampleSet, options: SearchOptions, emit: SearchWork['emit']): Promise<void> {
  const began = performance.now();
  const samples = await searchSamples(data, options.heldBack ?? all.heldBack.default, options.seed ?? all.seed.default);
  const plan = searchPlanOf(model, samples, options);
  const { signal, seconds = Number.POSITIVE_INFINITY, threads = availableParallelism() } = options;
  const crew = await crewOf(options, emit);
  const journal = await journalOf(model, data, samples, plan, options).catch(async error => {
    await crew?.close();
    throw error;
  });
  try {
    const runner = crew
      ? new QueuedRunner(crew, samples)
      : new LocalRunner(samples, threads, cacheBytesOf(options.cacheBytes));
    const onTrial = (trial: TrialRecord, by: Maker | undefined) => emit({ type: 'trial', trial, by: by ?? null });
    const trials = new Trials(model, data, samples, { lr: plan.lr, threads, signal, onTrial }, journal, runner);
    const compiler = await trials.compiler(plan.seed, 'validation');
    const { target, feed, costs: table } = plan;
    const { pixelTables } = trials;
    const costs = new CandidateCosts(compiler, { target, feed, pixelTables, table, threads, signal });
    const limits = await limitsOf(compiler, plan, signal);
    if (signal?.aborted) throw aborted('the search', signal);
    await journal.begin();
    emit({ type: 'begin', plan, threads, validation: samples.validation.size });
    const clock = new Clock(trials, { seconds, signal, emit }, began);
    Object.assign(clock.expected, expectedFinals({ plan, samples }));
    const { result, program } = await phases(
      { model, samples, plan, trials, compiler, costs, limits, clock, emit },
      data,
    );
    const shares = journal.crew.shares;
    if (journal.folder) await writeSearch(journal.folder, result, program, shares);
    emit({ type: 'done', result, workers: shares });
  } finally {
    await journal.close();
    await crew?.close();
  }
}

/**
 * Finds the update scheme that learns best within an SRAM budget: contributions from short training runs, evolution among schemes that fit according to the
 * planner, proof by longer training. Yields events on the way; the last one is `done`. The same seed gives the same result for any number of threads
 * and interruptions. Throws `BUDGET_TOO_SMALL`, `SAMPLES_TOO_FEW`, `SEARCH_EXISTS`, `SEARCH_MISSING`, `SEARCH_DIFFERS`, `SEARCH_BROKEN`,
 * `OPTION_INVALID`, `TIME_TOO_SHORT`, `ABORTED`; with workers also `QUEUE_MISSING`, `REDIS_UNREACHABLE`, `REDIS_REFUSED`, and what makes a worker fail.
 */
export async function* search(
  model: Model,
  data: SampleSet,
  options: SearchOptions,
): AsyncGenerator<SearchEvent, void, void> {
  checkSearch(options);
  const channel = new Channel<SearchEvent>();
  const controller = new AbortController();
  const { signal } = options;
  const stop = () => controller.abort(signal?.reason);
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  const work = run(model, data, { ...options, signal: controller.signal }, event => channel.push(event)).then(
    () => channel.end(),
    error => channel.end(error),
  );
  try {
    yield* channel;
  } finally {
    // The search stops when nobody listens any more.
    stop();
    signal?.removeEventListener('abort', stop);
    await work;
  }
}
