import type { Argv, CommandModule } from 'yargs';
import type { SampleSet } from '../data/dataset.js';
import { TinytrainError } from '../errors.js';
import { duration, percent, table, thousands } from '../format.js';
import { factsOf } from '../model/input.js';
import { estimateIfKnown } from '../program/costs.js';
import type { Program } from '../program/program.js';
import { learningCurve } from '../report/curve.js';
import { memoryMap, memoryTable } from '../report/memory.js';
import { timeText, trainingText } from '../report/time.js';
import { createRun, openRun, type RunFolder } from '../train/run.js';
import { planOf, type TrainProgress, train as trainProgram } from '../train/train.js';
import type { Augmentation, FoundRates, Keep, RunResult, TrainPlan } from '../train/types.js';
import { openFrom } from './from.js';
import { openProgram, type ProgramArguments, programOptions, readOptions } from './inputs.js';
import { augmentation, commonOptions, positive, rate, whole } from './options.js';
import { type Interrupt, newFolder, print, printJson, shown } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments extends ProgramArguments {
  epochs?: number;
  steps?: number;
  lr?: number | 'auto';
  lrHead?: number | 'auto';
  balance: boolean;
  keep: Keep;
  augment?: Augmentation;
  out?: string;
  from?: string;
  resume?: string;
  checkpoint: number;
  json: boolean;
}

/** Options that decide the Program, which a run has. */
const ofProgram = [
  'scheme',
  'residual-bits',
  'head',
  'map',
  'input',
  'mean',
  'std',
  'budget',
  'flash',
  'target',
] as const;

/** Everything that a run needs, opened. */
interface Prepared {
  /** The model in words. */
  readonly model: string;
  readonly data: SampleSet;
  readonly program: Program;
  readonly run: RunFolder;
  readonly plan: Partial<TrainPlan> & { readonly epochs?: number | undefined };
}

const phases: Readonly<Record<TrainProgress['phase'], string>> = {
  before: 'accuracy',
  rates: 'rates',
  prefix: 'frozen layers',
  training: 'training',
  after: 'accuracy',
};

async function start(args: Arguments, signal: AbortSignal, line: ProgressLine): Promise<Prepared> {
  const run = await createRun(args.out ?? newFolder('train'));
  const { from } = args;
  const opened =
    from === undefined ? await openProgram(args, signal, line) : await openFrom({ ...args, from }, signal, line);
  const augment = { flip: args.augment?.flip ?? false, shift: args.augment?.shift ?? 0 };
  const { seed, epochs, steps, lr, lrHead, balance, keep } = args;
  return {
    model: opened.model,
    data: opened.data,
    program: opened.program,
    run,
    plan: {
      ...(seed !== undefined && { seed }),
      augment,
      balance,
      keep,
      ...(steps && { steps }),
      ...(lr && { lr }),
      ...(lrHead && { lrHead }),
      epochs,
    },
  };
}

async function resume(path: string, args: Arguments, signal: AbortSignal, line: ProgressLine): Promise<Prepared> {
  const run = await openRun(path);
  const { plan } = await run.record();
  const program = await run.program();
  const data = await run.samples(readOptions(args.threads, signal, line));
  return { model: `${program.model.name} (${factsOf(program.input).shape.join('x')})`, data, program, run, plan };
}

/** What the training would take on the device: a line, if the time of the board's core is known. */
function deviceText({ program, data, plan }: Prepared): string[] {
  const time = estimateIfKnown(program)?.time?.trainStep;
  if (!time) return [];
  return [`device   ${timeText(time, ' a step')}; ${trainingText(time, planOf(program, data, plan).steps)}`];
}

function head(prepared: Prepared): string {
  const { model, data, program, run } = prepared;
  const skipped = data.skipped.length > 0 ? `, ${data.skipped.length} skipped` : '';
  return [
    `model    ${model}`,
    `data     ${data.source} (${data.classes.length} classes, ${thousands(data.train.size)} + ${thousands(data.test.size)} images${skipped})`,
    `scheme   ${program.scheme}, ${program.residualBits} residual bits, seed ${program.seed}`,
    ...deviceText(prepared),
    `run      ${shown(run.path)}`,
  ].join('\n');
}

/** A rate in three digits. */
function digits(rate: number): string {
  return String(Number(rate.toPrecision(3)));
}

/** The rates of a run: what they are, where they come from, and what was tried. */
function ratesText({ head, backbone, how, why, tried, seconds }: FoundRates): string[] {
  const words = {
    given: 'as given',
    rule: `by the rule for the size of the features: ${why}`,
    race: `${why}; all neighbours did worse; ${tried.length} runs in ${duration(seconds)}`,
  };
  const line = `rates       head ${digits(head)}, backbone ${digits(backbone)}, ${words[how]}`;
  if (tried.length === 0) return [line];
  const rows = tried.map(t => [digits(t.head), digits(t.backbone), t.steps, t.loss.toFixed(3), percent(t.accuracy)]);
  return [line, table([['head', 'backbone', 'steps', 'loss', 'held back'], ...rows], '            ')];
}

/** Accuracy by class, and what a class is mostly mistaken for. */
function classTable({ accuracy, confusion, data }: RunResult): string {
  const rows = accuracy.byClass.map((own, label) => {
    const wrong = (confusion[label] ?? []).map((count, other) => ({ count: other === label ? 0 : count, other }));
    const most = wrong.reduce((a, b) => (b.count > a.count ? b : a), { count: 0, other: 0 });
    const mistaken = most.count === 0 ? '' : `${most.count} taken for ${data.classes[most.other]}`;
    return [own.class, own.samples, own.samples === 0 ? '-' : percent(own.accuracy), mistaken];
  });
  return table(rows);
}

function report({ program, data }: Prepared, result: RunResult, args: Arguments): string {
  const { accuracy, saturation, steps, seconds } = result;
  const skipped = data.skipped.map(({ path }) => `  ${path}`);
  const lowest = data.validation ? ': the lowest loss on the validation images' : '';
  return [
    '',
    learningCurve(result.curve),
    '',
    memoryTable(program.memory, args),
    '',
    memoryMap(program.record),
    '',
    ...(skipped.length > 0 ? ['skipped, cannot be decoded', ...skipped, ''] : []),
    `accuracy    ${percent(accuracy.before)} -> ${percent(accuracy.after)} on ${thousands(accuracy.samples)} images not used for training`,
    ...ratesText(result.rates),
    '',
    classTable(result),
    '',
    `steps       ${thousands(steps)} in ${duration(seconds)} (${(steps / seconds).toFixed(1)} per second)`,
    `saturated   ${thousands(saturation.total)} gradient elements`,
    ...(result.kept < steps ? [`kept        the state of step ${thousands(result.kept)}${lowest}`] : []),
    `checksum    ${result.checksum}`,
    ...result.warnings.map(({ message }) => `warning     ${message}`),
  ].join('\n');
}

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const line = new ProgressLine();
  const note = (text: string) => {
    line.clear();
    if (process.stderr.isTTY) process.stderr.write(`${text}\n`);
  };
  let path = args.resume;
  try {
    const prepared =
      args.resume === undefined ? await start(args, signal, line) : await resume(args.resume, args, signal, line);
    path = prepared.run.path;
    if (args.json) note(head(prepared));
    else {
      line.clear();
      print(head(prepared));
    }
    const { program, data, run, plan } = prepared;
    const { state: _state, ...result } = await trainProgram(program, data, {
      ...plan,
      run,
      threads: args.threads,
      checkpointSeconds: args.checkpoint,
      signal,
      onProgress: ({ phase, done, total, loss }) =>
        line.show(phases[phase], done, total, loss === undefined ? '' : `loss ${loss.toFixed(3)}`),
    });
    line.clear();
    const { instructions = null, time = null } = estimateIfKnown(program) ?? {};
    if (args.json) printJson({ ...result, instructions, time, run: run.path });
    else
      print(
        report(prepared, result, args),
        '',
        `wrote ${shown(run.path)}`,
        `next: npx tinytrain predict ${shown(run.path)} IMAGE...`,
      );
  } catch (error) {
    line.clear();
    if (error instanceof TinytrainError && error.code === 'ABORTED' && path !== undefined) {
      const help = [`continue with: npx tinytrain train --resume ${shown(path)}`];
      throw new TinytrainError('ABORTED', error.message, { ...error.details, run: path, help }, error);
    }
    throw error;
  }
}

/** `train` */
export const train = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'train',
  describe: 'train a model on images with the device’s own integers',
  builder: (args: Argv<object>) =>
    args
      .options({
        ...programOptions,
        epochs: {
          describe: 'passes over the training images',
          type: 'string',
          requiresArg: true,
          coerce: positive('epochs'),
          defaultDescription: '2, and at least 1,000 steps',
        },
        steps: {
          describe: 'training steps, one image each',
          type: 'string',
          requiresArg: true,
          coerce: whole('steps', 1, 2 ** 32 - 1),
        },
        lr: {
          describe: 'peak learning rate, or auto: find it on images held back from training',
          type: 'string',
          requiresArg: true,
          coerce: rate('lr'),
          defaultDescription: 'auto',
        },
        'lr-head': {
          describe: 'peak learning rate of the head, or auto',
          type: 'string',
          requiresArg: true,
          coerce: rate('lr-head'),
          defaultDescription: 'that of --lr',
        },
        balance: {
          describe: 'draw all classes equally often, however many images each has',
          type: 'boolean',
          default: false,
        },
        keep: {
          describe:
            'best: end with the state that does best on the validation images, or without any with an earlier one if what was learned is lost; last: always with the last',
          choices: ['best', 'last'] as const,
          default: 'best' as const,
          requiresArg: true,
        },
        augment: {
          describe: 'flip, shift:PIXELS or both',
          type: 'string',
          requiresArg: true,
          coerce: augmentation,
          defaultDescription: 'off',
        },
        out: { describe: 'folder of the run', type: 'string', requiresArg: true, defaultDescription: 'runs/train-...' },
        from: {
          describe:
            'folder of a run to start from: with its images or those of --data, whose new classes are added to the head; model, scheme and memory stay as they were',
          type: 'string',
          requiresArg: true,
        },
        resume: {
          describe:
            'folder of a run that was stopped, to be ended as it was begun; all other options stay as they were',
          type: 'string',
          requiresArg: true,
        },
        checkpoint: {
          describe: 'seconds between checkpoints',
          type: 'string',
          requiresArg: true,
          default: 10,
          coerce: whole('checkpoint', 0),
        },
        ...commonOptions,
      })
      .conflicts('epochs', 'steps')
      .conflicts('from', [...ofProgram])
      .conflicts('resume', [
        ...ofProgram,
        'from',
        'model',
        'data',
        'seed',
        'resize',
        'window',
        'hop',
        'epochs',
        'steps',
        'lr',
        'lr-head',
        'augment',
        'out',
      ])
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
