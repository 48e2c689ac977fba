import { join } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import type { SampleSet } from '../data/dataset.js';
import type { SampleSource } from '../data/source.js';
import { TinytrainError } from '../errors.js';
import { type Files, inOwnFolder } from '../folder.js';
import { thousands } from '../format.js';
import type { Model } from '../model/model.js';
import { reopenModel, reopenSamples } from '../origin.js';
import { readCosts } from '../program/costs-file.js';
import type { MemoryLimits } from '../program/memory.js';
import { contributionFigure } from '../report/contributions.js';
import { searchCsv } from '../report/csv.js';
import { SearchSoFar } from '../report/live.js';
import { contributionBars } from '../report/search.js';
import { figureFile, learnedFile } from '../search/folder.js';
import { searchOrigin } from '../search/journal.js';
import { checkBudgets } from '../search/limits.js';
import { search as searchSchemes } from '../search/search.js';
import type { SearchEvent, SearchOptions } from '../search/types.js';
import { checkTarget, writeTarget } from './files.js';
import { openLearnedModel } from './from.js';
import { normalised, openModel, openSource, quantisedOf, readOptions } from './inputs.js';
import { allBut, optionsOf } from './options.js';
import { exitCodes, type Interrupt, newFolder, print, printJson, shown } from './outcome.js';
import { ProgressLine } from './progress.js';
import { type Arguments, notWithFrom, withResume } from './search-options.js';
import { layerText, searchHead, searchReport } from './search-report.js';
import { verifiedText, verify } from './search-verify.js';
import { Watch } from './watch.js';
import { missingWorkers, workersText } from './workers.js';

/** A search with its opened model and samples. */
interface Prepared {
  readonly model: Model;
  readonly data: SampleSet;
  readonly options: SearchOptions;
  readonly out: string;
}

/** What a search is about, before samples are read, and what holds for it unless options say otherwise. */
interface Subject {
  readonly model: Model;
  readonly source: SampleSource;
  readonly defaults: MemoryLimits & { readonly seed?: number };
  readonly files?: Files;
}

/** The model of the options; or what a run has learned, as a model that the folder of the search will have. */
async function subjectOf(args: Arguments, out: string, signal: AbortSignal, line: ProgressLine): Promise<Subject> {
  const { from } = args;
  if (from === undefined) {
    const source = await openSource(args);
    return { source, model: await openModel(args, source, signal, line), defaults: {} };
  }
  const { learned, source, model, tflite } = await openLearnedModel(
    { ...args, from },
    join(out, learnedFile),
    signal,
    line,
  );
  const { limits, seed } = learned.program;
  return { source, model, defaults: { ...limits, seed }, files: new Map([[learnedFile, tflite]]) };
}

function withoutBudget(): TinytrainError {
  return new TinytrainError('USAGE', 'a search needs an SRAM budget', { help: ['npx tinytrain search --budget 256k'] });
}

async function start(args: Arguments, signal: AbortSignal, line: ProgressLine): Promise<Prepared> {
  if (!args.budget && args.from === undefined) throw withoutBudget();
  const out = args.out ?? newFolder('search');
  const { source, model: opened, defaults, files } = await subjectOf(args, out, signal, line);
  const { budget = defaults.budget === undefined ? undefined : [defaults.budget] } = args;
  if (!budget) throw withoutBudget();
  const { flash = defaults.flash, target = defaults.target, feed = defaults.feed, seed = defaults.seed } = args;
  const { criterion, seeds, lr } = args;
  const options = {
    budgets: budget,
    files,
    flash,
    maxInstructions: args['max-instructions'],
    maxMilliseconds: args['max-ms'],
    costs: args.costs === undefined ? undefined : await readCosts(args.costs),
    target,
    feed,
    criterion,
    seed,
    seeds,
    trialSteps: args['trial-steps'],
    proofSteps: args['proof-steps'],
    lr,
    residualBits: args['residual-bits'],
  };
  await checkBudgets(opened, source.classes, options);
  const how = readOptions(args.threads, signal, line);
  const model = args.from === undefined ? await normalised(opened, source, args, how) : opened;
  const data = await source.read(model.input, how);
  return { model, data, options, out };
}

async function resumed(out: string, args: Arguments, signal: AbortSignal, line: ProgressLine): Promise<Prepared> {
  const { origin, plan: stored } = await searchOrigin(out);
  const how = readOptions(args.threads, signal, line);
  const model = await reopenModel(origin, out, how);
  const data = await reopenSamples(origin, out, how);
  const { flash, maxInstructions, maxMilliseconds, costs, ...plan } = stored;
  const limits = {
    flash: flash ?? undefined,
    maxInstructions: maxInstructions ?? undefined,
    maxMilliseconds: maxMilliseconds ?? undefined,
    costs: costs ?? undefined,
  };
  return { model, data, out, options: { ...plan, ...limits } };
}

/** The end of a search. */
type Ended = Extract<SearchEvent, { readonly type: 'done' }>;

async function follow(
  prepared: Prepared,
  args: Arguments,
  signal: AbortSignal,
  line: ProgressLine,
  watch: Watch | undefined,
): Promise<Ended> {
  const { model, data, options, out } = prepared;
  const all = {
    ...options,
    out,
    resume: args.resume !== undefined,
    threads: args.threads,
    cacheBytes: args['cache-memory'],
    workers: args.workers,
    seconds: args.time,
    signal,
  };
  const soFar = watch && new SearchSoFar(shown(out), model, data);
  if (soFar) watch.show(() => soFar.entry());
  const say = (text: string) => {
    line.clear();
    if (!args.json) print(text);
  };
  let where = '';
  let note = '';
  let crew = '';
  // With --time, it will have ended by then.
  const [began, { time }] = [performance.now(), args];
  const rest = time === undefined ? undefined : () => time - (performance.now() - began) / 1000;
  try {
    for await (const event of searchSchemes(model, data, all)) {
      soFar?.take(event);
      watch?.changed();
      if (event.type === 'begin') say(searchHead(model, data, event));
      else if (event.type === 'workers') {
        crew = workersText(event.workers);
        if (soFar) soFar.workers = crew;
        // Whoever waits is told why, on stderr, with --json too.
        const help = missingWorkers(event);
        if (help !== undefined) process.stderr.write(`${help}\n`);
      } else if (event.type === 'progress') {
        where = `${event.what}, ${event.done} of ${event.total}`;
        const left = event.left !== null && rest !== undefined ? Math.min(event.left, Math.max(0, rest())) : event.left;
        line.show(event.what, event.done, event.total, [crew, note].filter(part => part !== '').join('  '), left);
        note = '';
      } else if (event.type === 'analysis') {
        // With a short --time, nothing may have been measured.
        const { biases, layers } = event.contributions;
        if (biases.length + layers.length > 0) say(`${contributionBars(event.contributions, layerText(model))}\n`);
      } else if (event.type === 'generation') {
        note = `${thousands(event.evaluations)} candidates, best sum ${event.best.sum.toFixed(3)} with ${thousands(event.best.sram)} B`;
      } else if (event.type === 'done') return event;
    }
    throw new TinytrainError('INTERNAL', 'internal: the search ended without a result');
  } catch (error) {
    line.clear();
    if (!(error instanceof TinytrainError) || error.code !== 'ABORTED') throw error;
    const help = [`continue with: npx tinytrain search --resume ${shown(out)}`];
    throw new TinytrainError('ABORTED', `the search, in: ${where || 'preparation'}`, { run: out, help }, error);
  }
}

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const watch = await Watch.open(args.watch);
  const line = new ProgressLine(progress => watch?.progress(progress));
  const began = performance.now();
  try {
    if (args.csv !== undefined) await checkTarget(args.csv, args.overwrite);
    const prepared =
      args.resume === undefined ? await start(args, signal, line) : await resumed(args.resume, args, signal, line);
    const { result, workers } = await follow(prepared, args, signal, line, watch);
    const figure = contributionFigure(result.contributions, result.scheme);
    await inOwnFolder(prepared.out, own => own.write(new Map([[figureFile, figure]])));
    if (args.csv !== undefined) await writeTarget(args.csv, searchCsv(result), args.overwrite);
    const seconds = (performance.now() - began) / 1000;
    line.clear();
    if (!args.json) print(searchReport(prepared.model, { result, workers }, prepared.out, seconds));
    const verified = args['verify-device']
      ? await verify(prepared.out, prepared.data, result, signal, line)
      : undefined;
    if (args.json) {
      const { trials, ...rest } = result;
      printJson({
        ...rest,
        trainings: trials.length,
        seconds,
        run: prepared.out,
        ...(workers && { workers }),
        ...quantisedOf(prepared.model),
        ...(verified && { device: verified }),
      });
    } else if (verified) print(verifiedText(verified));
    if (verified && !verified.equal) process.exitCode = exitCodes.failure;
    await watch?.finish(shown(prepared.out), signal);
  } finally {
    line.clear();
    watch?.close();
  }
}

/** `search` */
export const search = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'search',
  describe: 'find the best scheme within an SRAM budget, and prove it by training',
  builder: (args: Argv<object>) =>
    args
      .options(optionsOf('search'))
      .conflicts('resume', allBut('search', withResume))
      .conflicts('from', [...notWithFrom])
      .example('npx tinytrain search --budget 256k', 'the default model on the default images')
      .example(
        'npx tinytrain search --data images --budget 192k,224k,256k --time 10m',
        'several budgets: accuracy against SRAM',
      )
      .example(
        'npx tinytrain search --from runs/train-20260101-120000 --budget 192k',
        'the scheme with which to go on from a run',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
