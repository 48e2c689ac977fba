import type { Argv, CommandModule } from 'yargs';
import { TinytrainError } from '../errors.js';
import { thousands } from '../format.js';
import type { Model } from '../model/model.js';
import { exportNpz, exportTflite } from '../program/export.js';
import type { Program } from '../program/program.js';
import { checkTarget, writeTarget } from './files.js';
import { modelOf, openLearned } from './from.js';
import { readOptions } from './inputs.js';
import { optionsOf } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments {
  run: string;
  tflite?: string;
  npz?: string;
  model?: string;
  overwrite: boolean;
  json: boolean;
}

/** A format, and how a file of it is made. */
type Format = readonly [path: string | undefined, make: (program: Program, model: Model) => Promise<Uint8Array>];

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const line = new ProgressLine();
  const formats: readonly Format[] = [
    [args.tflite, exportTflite],
    [args.npz, exportNpz],
  ];
  if (formats.every(([path]) => path === undefined)) {
    throw new TinytrainError('USAGE', 'what is to be written: --tflite FILE, --npz FILE or both');
  }
  for (const [path] of formats) if (path !== undefined) await checkTarget(path, args.overwrite);
  const learned = await openLearned(args.run);
  const model = await modelOf(learned, args.model, readOptions(undefined, signal, line));
  line.clear();
  const { program } = learned;
  const written: { path: string; bytes: number }[] = [];
  for (const [path, make] of formats) {
    if (path === undefined) continue;
    const content = await make(program, model);
    await writeTarget(path, content, args.overwrite);
    written.push({ path, bytes: content.length });
  }
  if (args.json) printJson({ model: program.model.name, classes: program.classes, written });
  else {
    print(
      `model    ${program.model.name}, ${program.classes.length} classes: ${program.classes.join(', ')}`,
      ...written.map(({ path, bytes }) => `wrote    ${path}: ${thousands(bytes)} B`),
    );
  }
}

/** `export RUN` */
export const exportModel = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'export <run>',
  describe: 'write the model that a run has trained, classifier included, for other tools',
  builder: (args: Argv<object>) =>
    args
      .positional('run', { describe: 'folder of a training run', type: 'string', demandOption: true })
      .options(optionsOf('export'))
      .example(
        'npx tinytrain export runs/train-20260101-120000 --tflite adapted.tflite',
        'the adapted model, to be run by LiteRT',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
