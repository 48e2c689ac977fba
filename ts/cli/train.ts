import { resolve as absolute, basename, join } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { TinytrainError } from '../errors.js';
import { percent, table } from '../format.js';
import { factsOf } from '../model/input.js';
import { estimateIfKnown } from '../program/costs.js';
import { runsCsv } from '../report/csv.js';
import { TrainingSoFar } from '../report/live.js';
import { accuracyText } from '../report/search.js';
import { estimate } from '../search/statistics.js';
import { createRun, openRun } from '../train/run.js';
import { type TrainProgress, train as trainProgram } from '../train/train.js';
import type { RunResult } from '../train/types.js';
import { checkTarget, writeTarget } from './files.js';
import { openFrom } from './from.js';
import { openProgram, quantisedOf, readOptions } from './inputs.js';
import { allBut, optionsOf } from './options.js';
import { type Interrupt, newFolder, print, printJson, shown } from './outcome.js';
import { ProgressLine } from './progress.js';
import { type Arguments, ofProgram, withResume } from './train-options.js';
import { type Prepared, trainHead, trainReport } from './train-report.js';
import { Watch } from './watch.js';

/** The arguments of one run. */
interface One extends Omit<Arguments, 'seed'> {
  seed?: number;
}

const phases: Readonly<Record<TrainProgress['phase'], string>> = {
  before: 'accuracy',
  rates: 'rates',
  prefix: 'frozen layers',
  training: 'training',
  after: 'accuracy',
};

async function start(args: One, signal: AbortSignal, line: ProgressLine): Promise<Prepared> {
  const run = await createRun(args.out ?? newFolder('train'));
  const { from } = args;
  const opened =
    from === undefined ? await openProgram(args, signal, line) : await openFrom({ ...args, from }, signal, line);
  const { seed, epochs, steps, lr, lrHead, balance, keep, 'replay-steps': replaySteps } = args;
  return {
    model: opened.model,
    data: opened.data,
    program: opened.program,
    run,
    plan: {
      ...(seed !== undefined && { seed }),
      augment: args.augment,
      balance,
      ...(replaySteps !== undefined && { replaySteps }),
      ...(keep && { keep }),
      ...(steps && { steps }),
      ...(lr && { lr }),
      ...(lrHead && { lrHead }),
      epochs,
    },
  };
}

async function resume(path: string, args: One, signal: AbortSignal, line: ProgressLine): Promise<Prepared> {
  const run = await openRun(path);
  const { plan } = await run.record();
  const program = await run.program();
  const data = await run.samples(readOptions(args.threads, signal, line));
  return { model: `${program.model.name} (${factsOf(program.input).shape.join('x')})`, data, program, run, plan };
}

/** A run that has ended, with what it began with. */
interface Ended {
  readonly prepared: Prepared;
  readonly result: RunResult;
}

/** What is shown of a run while it goes on. */
interface Show {
  readonly signal: AbortSignal;
  readonly line: ProgressLine;
  /** In the browser. */
  readonly watch: Watch | undefined;
  /** Gets the text on what the run begins with. */
  readonly say: (text: string) => void;
}

/** Several runs of which this one is the next. */
interface Among {
  readonly folder: string;
  /** Which of them it is, in words. */
  readonly which: string;
  /** Those that have ended. */
  readonly earlier: readonly RunResult[];
}

/** Trains once, perhaps as one of several runs. */
async function once(args: One, { signal, line, watch, say }: Show, among?: Among): Promise<Ended> {
  let path = args.resume;
  try {
    const prepared =
      args.resume === undefined ? await start(args, signal, line) : await resume(args.resume, args, signal, line);
    path = prepared.run.path;
    line.clear();
    say(trainHead(prepared));
    const { program, data, run, plan } = prepared;
    const { folder = shown(run.path), which = '', earlier = [] } = among ?? {};
    const soFar = watch && new TrainingSoFar(folder, program, data, earlier);
    if (soFar) watch.show(() => soFar.entry());
    const { state: _state, ...result } = await trainProgram(program, data, {
      ...plan,
      run,
      threads: args.threads,
      checkpointSeconds: args.checkpoint,
      signal,
      onProgress: ({ phase, done, total, loss }) => {
        const note = [which, loss === undefined ? '' : `loss ${loss.toFixed(3)}`].filter(part => part !== '');
        line.show(phases[phase], done, total, note.join('  '));
      },
      onCurve: curve => {
        soFar?.take(curve);
        watch?.changed();
      },
    });
    line.clear();
    return { prepared, result };
  } catch (error) {
    line.clear();
    if (error instanceof TinytrainError && error.code === 'ABORTED' && path !== undefined) {
      const help = [`continue with: npx tinytrain train --resume ${shown(path)}`];
      throw new TinytrainError('ABORTED', error.message, { ...error.details, run: path, help }, error);
    }
    throw error;
  }
}

/** The runs of a command, and the folder with all of them. */
interface Made {
  readonly results: readonly RunResult[];
  readonly folder: string;
}

/** A run as an object for programs. */
function jsonOf({ prepared: { program, run }, result }: Ended) {
  const { instructions = null, time = null } = estimateIfKnown(program) ?? {};
  return { ...result, instructions, time, run: run.path, ...quantisedOf(program.model) };
}

async function single(args: One, show: Omit<Show, 'say'>): Promise<Made> {
  // With --json, what a run begins with is for a person who watches.
  const say = (text: string) => {
    if (!args.json) print(text);
    else if (process.stderr.isTTY) process.stderr.write(`${text}\n`);
  };
  const ended = await once(args, { ...show, say });
  const { prepared, result } = ended;
  const path = shown(prepared.run.path);
  if (args.json) printJson(jsonOf(ended));
  else print(trainReport(prepared, result, args), '', `wrote ${path}`, `next: npx tinytrain predict ${path} IMAGE...`);
  return { results: [result], folder: prepared.run.path };
}

/** One run after the other, each in a folder of its own, as if each had been made alone; then their mean and standard error. */
async function several(args: One, seeds: readonly number[], show: Omit<Show, 'say'>): Promise<Made> {
  const out = args.out ?? newFolder('train');
  const folders = seeds.map(seed => join(out, `seed-${seed}`));
  for (const folder of folders) await createRun(folder);
  const ended: Ended[] = [];
  for (const [i, seed] of seeds.entries()) {
    const say = (text: string) => {
      if (i === 0 && !args.json) print(text, '');
    };
    const which = `seed ${seed}, run ${i + 1} of ${seeds.length}`;
    try {
      const earlier = ended.map(({ result }) => result);
      const among = { folder: shown(out), which, earlier };
      const found = await once({ ...args, seed, out: folders[i] ?? out }, { ...show, say }, among);
      ended.push(found);
      const { accuracy, steps, seconds } = found.result;
      const change = `${percent(accuracy.before)} -> ${percent(accuracy.after)}`;
      if (!args.json) print(`seed ${seed}   ${change}   ${(steps / seconds).toFixed(1)} steps per second`);
    } catch (error) {
      const rest = seeds.slice(i + 1);
      if (!(error instanceof TinytrainError) || error.code !== 'ABORTED' || rest.length === 0) throw error;
      const { help = [], ...details } = error.details;
      const more = `then the same command with --seed ${rest[0]}..${rest.at(-1)} --out ${shown(out)}`;
      throw new TinytrainError('ABORTED', error.message, { ...details, help: [...help, more] }, error);
    }
  }
  const results = ended.map(({ result }) => result);
  const over = (value: (result: RunResult) => number) => estimate(results.map(value));
  const accuracy = { before: over(r => r.accuracy.before), after: over(r => r.accuracy.after) };
  const loss = { before: over(r => r.loss.before), after: over(r => r.loss.after) };
  if (args.json) printJson({ seeds, accuracy, loss, runs: ended.map(jsonOf), run: absolute(out) });
  else
    print(
      '',
      table(
        [
          ['accuracy before', accuracyText(accuracy.before)],
          ['accuracy after', accuracyText(accuracy.after)],
        ],
        '',
      ),
      `mean and standard error over ${seeds.length} seeds`,
      '',
      `wrote ${shown(out)}: ${folders.map(folder => basename(folder)).join(', ')}`,
      `next: npx tinytrain report ${shown(out)} --out report.html`,
    );
  return { results, folder: out };
}

async function work({ seed, ...rest }: Arguments, signal: AbortSignal): Promise<void> {
  const { csv, overwrite } = rest;
  if (csv !== undefined) await checkTarget(csv, overwrite);
  const watch = await Watch.open(rest.watch);
  const show = { signal, watch, line: new ProgressLine(progress => watch?.progress(progress)) };
  try {
    const { results, folder } =
      typeof seed === 'object'
        ? await several(rest, seed, show)
        : await single(seed === undefined ? rest : { ...rest, seed }, show);
    if (csv !== undefined) await writeTarget(csv, runsCsv(results), overwrite);
    await watch?.finish(shown(folder), signal);
  } finally {
    watch?.close();
  }
}

/** `train` */
export const train = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'train',
  describe: 'train a model on images with the device’s own integers',
  builder: (args: Argv<object>) =>
    args
      .options(optionsOf('train'))
      .conflicts('epochs', 'steps')
      .conflicts('from', [...ofProgram])
      .conflicts('resume', allBut('train', withResume))
      .example('npx tinytrain train --data images --scheme bias:10 --epochs 3', 'the default model on your own images')
      .example(
        'npx tinytrain train --from runs/train-20260101-120000 --data more-images',
        'go on from a run with other images, also of new classes',
      )
      .example(
        'npx tinytrain train --resume runs/train-20260101-120000',
        'continue a run that was stopped',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
