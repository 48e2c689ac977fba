import type { Argv, CommandModule } from 'yargs';
import { firmwareFiles, writeFirmware } from '../device/firmware.js';
import { checkPrefix } from '../emit/prefix.js';
import { thousands } from '../format.js';
import type { NamedSamples } from '../origin.js';
import { estimateIfKnown } from '../program/costs.js';
import { defaultTarget } from '../program/memory.js';
import type { Program } from '../program/program.js';
import { memoryTable } from '../report/memory.js';
import { defaultSavesPerDay, storeLines, wearOf } from '../report/store.js';
import { estimateLines } from '../report/time.js';
import { openLearned } from './from.js';
import { openProgram, type ProgramArguments, programOptions, quantisedOf } from './inputs.js';
import { commonOptions, positive } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments extends ProgramArguments {
  run?: string;
  out: string;
  store?: boolean;
  'saves-per-day'?: number;
  prefix?: string;
  json: boolean;
}

/** What becomes a firmware: a model and images that are given, or what a run has made of its own. */
async function opened(
  { run, ...args }: Arguments,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<{ readonly program: Program; readonly data: NamedSamples }> {
  if (run === undefined) return openProgram({ ...args, target: args.target ?? defaultTarget }, signal, line);
  const { program, origin } = await openLearned(run);
  const { budget, flash, store, target = program.limits.target ?? defaultTarget } = args;
  return { program: program.within({ budget, flash, target, store }), data: origin.data };
}

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  if (args.prefix !== undefined) checkPrefix(args.prefix);
  const line = new ProgressLine();
  try {
    const { program, data } = await opened(args, signal, line);
    const { target = defaultTarget } = program.limits;
    const files = await firmwareFiles(program, data, target, { prefix: args.prefix });
    const written = await writeFirmware(args.out, files);
    line.clear();
    const { memory } = program;
    const { store } = memory;
    const savesPerDay = args['saves-per-day'] ?? defaultSavesPerDay;
    const estimate = estimateIfKnown(program);
    if (args.json) {
      printJson({
        out: args.out,
        target,
        program: program.hash,
        scheme: program.scheme,
        memory,
        ...(store && { wear: wearOf(store, savesPerDay) }),
        instructions: estimate?.instructions ?? null,
        time: estimate?.time ?? null,
        files: [...files.keys()],
        written,
        ...quantisedOf(program.model),
      });
      return;
    }
    const unchanged = files.size - written.length;
    print(
      `model    ${program.model.name}, ${program.classes.length} classes`,
      ...(args.run === undefined ? [] : [`start    with what ${args.run} has learned`]),
      `scheme   ${program.scheme}, ${program.residualBits} residual bits`,
      '',
      memoryTable(memory, args),
      '',
      ...(store ? [...storeLines(store, memory.target, savesPerDay), ''] : []),
      ...(estimate ? [...estimateLines(estimate), ''] : []),
      `wrote ${args.out}: ${thousands(written.length)} files${unchanged > 0 ? `; ${unchanged} in app/ left unchanged` : ''}`,
      `next: npx tinytrain run ${args.out}    or: make -C ${args.out}`,
    );
  } finally {
    line.clear();
  }
}

/** `compile` */
export const compile = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'compile',
  describe: 'write a firmware project that predicts and keeps learning on a microcontroller',
  builder: (args: Argv<object>) =>
    args
      .options({
        ...programOptions,
        target: {
          describe: 'board whose memory it must fit into: its name, or the folder of your own board',
          type: 'string',
          requiresArg: true,
          defaultDescription: `that of --run, or ${defaultTarget}`,
        },
        run: {
          describe: 'folder of a training run: the firmware starts with what it has learned so far',
          type: 'string',
          requiresArg: true,
        },
        store: {
          describe: 'keep what is learned in the flash of the board, proof against power cuts',
          type: 'boolean',
        },
        'saves-per-day': {
          describe: 'how often it is saved, for the wear of the flash that is reported',
          type: 'string',
          requiresArg: true,
          defaultDescription: String(defaultSavesPerDay),
          coerce: positive('saves-per-day'),
        },
        prefix: {
          describe: 'what the names of the model begin with in place of tt, so that several models fit into one image',
          type: 'string',
          requiresArg: true,
        },
        out: { describe: 'folder of the firmware', type: 'string', requiresArg: true, default: 'firmware' },
        ...commonOptions,
      })
      .implies('saves-per-day', 'store')
      .conflicts('run', [
        'model',
        'data',
        'scheme',
        'residual-bits',
        'head',
        'map',
        'seed',
        'input',
        'mean',
        'std',
        'resize',
        'window',
        'hop',
        'feed',
      ])
      .example(
        'npx tinytrain compile --run runs/train-20260101-120000',
        'a firmware that starts where a run has got to',
      )
      .example(
        'npx tinytrain compile --data images --scheme bias:10 --out firmware',
        'the default model, for your own images',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
