import type { Argv, CommandModule } from 'yargs';
import { viewOf } from '../data/images/camera.js';
import { fittingOf } from '../data/origin.js';
import { firmwareFiles, seriesOf, writeFirmware } from '../device/firmware.js';
import { thousands } from '../format.js';
import { options } from '../options.js';
import type { NamedSamples } from '../origin.js';
import { estimateIfKnown } from '../program/costs.js';
import { defaultTarget } from '../program/memory.js';
import type { Program } from '../program/program.js';
import { applicationLines, productMemory, sensorMemory } from '../report/applications.js';
import { memoryTable } from '../report/memory.js';

import { storeLines, wearOf } from '../report/store.js';
import { estimateLines } from '../report/time.js';
import { openLearned } from './from.js';
import { openProgram, type ProgramArguments, quantisedOf } from './inputs.js';
import { allBut, optionsOf } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments extends ProgramArguments {
  run?: string;
  out?: string;
  store: boolean;
  'saves-per-day'?: number;
  prefix?: string;
  json: boolean;
}

/** What a firmware of a run may still be told: the run has everything else. */
const withRun = ['run', 'target', 'budget', 'flash', 'store', 'saves-per-day', 'threads', 'prefix', 'out', 'json'];

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
  const { out = options.firmwareOut.default } = args;
  const line = new ProgressLine();
  try {
    const { program, data } = await opened(args, signal, line);
    const { target = defaultTarget } = program.limits;
    const files = await firmwareFiles(program, data, target, { prefix: args.prefix });
    const written = await writeFirmware(out, files);
    line.clear();
    const { memory } = program;
    const { store } = memory;
    const savesPerDay = args['saves-per-day'] ?? options.savesPerDay.default;
    const estimate = estimateIfKnown(program);
    const series = seriesOf(program.input, data.origin);
    const sensor = series && sensorMemory(program, series);
    const product = files.has('app/product.c')
      ? productMemory(program, viewOf(fittingOf(data.origin), program.input))
      : undefined;
    if (args.json) {
      printJson({
        out,
        target,
        program: program.hash,
        scheme: program.scheme,
        memory,
        ...(sensor && { sensor }),
        ...(product && { product }),
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
      ...(product ? [...applicationLines('product', product, args, out), ''] : []),
      ...(sensor ? [...applicationLines('sensor', sensor, args, out), ''] : []),
      `wrote ${out}: ${thousands(written.length)} files${unchanged > 0 ? `; ${unchanged} in app/ left unchanged` : ''}`,
      `next: npx tinytrain run ${out}    or: make -C ${out}`,
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
      .options(optionsOf('compile'))
      .implies('saves-per-day', 'store')
      .conflicts('run', allBut('compile', withRun))
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
