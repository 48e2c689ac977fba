import { dirname, resolve } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { TinytrainError } from '../errors.js';
import { makeFolder, replaceFile } from '../files.js';
import { thousands } from '../format.js';
import type { Model } from '../model/model.js';
import { exportNpz, exportTflite } from '../program/export.js';
import type { Program } from '../program/program.js';
import { modelOf, openLearned } from './from.js';
import { readOptions } from './inputs.js';
import { commonOptions } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments {
  run: string;
  tflite?: string;
  npz?: string;
  model?: string;
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
  const learned = await openLearned(args.run);
  const model = await modelOf(learned, args.model, readOptions(undefined, signal, line));
  line.clear();
  const { program } = learned;
  const written: { path: string; bytes: number }[] = [];
  for (const [path, make] of formats) {
    if (path === undefined) continue;
    const content = await make(program, model);
    await makeFolder(dirname(resolve(path)));
    await replaceFile(path, content);
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
      .options({
        tflite: {
          describe: 'an int8 .tflite for LiteRT; labels and normalisation are in its metadata',
          type: 'string',
          requiresArg: true,
        },
        npz: { describe: 'the weights as numpy arrays', type: 'string', requiresArg: true },
        model: {
          describe: 'the model’s file, if it is no longer where it was',
          type: 'string',
          requiresArg: true,
          defaultDescription: 'where the run found it',
        },
        ...commonOptions,
      })
      .example(
        'npx tinytrain export runs/train-20260101-120000 --tflite adapted.tflite',
        'the adapted model, to be run by LiteRT',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
