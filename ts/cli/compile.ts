import type { Argv, CommandModule } from 'yargs';
import type { PictureSet } from '../data/dataset.js';
import { defaultPictures } from '../data/default.js';
import { type ResizePolicy, resizePolicies } from '../data/input.js';
import { loadPictures } from '../data/pictures.js';
import { firmwareFiles, writeFirmware } from '../device/firmware.js';
import { thousands } from '../format.js';
import { defaultTarget } from '../model/memory.js';
import { loadModel, type Model } from '../model/model.js';
import { compile as compileProgram } from '../model/program.js';
import { memoryTable } from '../report/memory.js';
import { bytes, commonOptions, modelOptions, normalisationOf, whole } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments {
  model?: string;
  data?: string;
  scheme: string;
  input?: { height: number; width: number };
  mean?: number[];
  std?: number[];
  budget?: number;
  flash?: number;
  target: string;
  'residual-bits': number;
  seed: number;
  threads?: number;
  resize: ResizePolicy;
  'skip-bad': boolean;
  out: string;
  json: boolean;
}

function pictures(args: Arguments, model: Model, signal: AbortSignal, line: ProgressLine): Promise<PictureSet> {
  const onProgress = ({ done, total }: { done: number; total: number }) => line.show('pictures', done, total);
  const options = { threads: args.threads, signal, onProgress };
  if (args.data === undefined) return defaultPictures(model.input, options);
  const { resize, seed } = args;
  return loadPictures(args.data, model.input, { ...options, resize, skipBad: args['skip-bad'], seed });
}

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const line = new ProgressLine();
  try {
    const model = await loadModel(args.model, { input: args.input, normalisation: normalisationOf(args) });
    const data = await pictures(args, model, signal, line);
    const { scheme, seed, budget, flash, target, threads } = args;
    const options = { scheme, seed, budget, flash, target, threads, residualBits: args['residual-bits'] };
    const program = await compileProgram(model, data, options);
    const files = await firmwareFiles(program, data, target);
    const written = await writeFirmware(args.out, files);
    line.clear();
    const { memory } = program;
    if (args.json) {
      printJson({ out: args.out, target, program: program.hash, scheme: program.scheme, memory, files: [...files.keys()], written });
      return;
    }
    const kept = files.size - written.length;
    print(
      `model    ${model.description.name}, ${data.classes.length} classes`,
      `scheme   ${program.scheme}, ${program.residualBits} residual bits`,
      '',
      memoryTable(memory, args),
      '',
      `wrote ${args.out}: ${thousands(written.length)} files${kept > 0 ? `; ${kept} of app/ left as they are` : ''}`,
      `next: npx tinytrain run ${args.out}    or: make -C ${args.out}`,
    );
  } finally {
    line.clear();
  }
}

/** `compile` */
export const compile = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'compile',
  describe: 'writes a firmware project that predicts and goes on learning on a microcontroller',
  builder: (args: Argv<object>) =>
    args
      .options({
        model: {
          describe: 'a .tflite or .pkl file',
          type: 'string',
          requiresArg: true,
          defaultDescription: 'the embedded default',
        },
        data: {
          describe: 'a folder of class folders',
          type: 'string',
          requiresArg: true,
          defaultDescription: 'the drawn default',
        },
        scheme: {
          describe: 'what is trained: head, bias:N, full, bias:N,LAYER:SHARE,... or a .json file',
          type: 'string',
          requiresArg: true,
          default: 'head',
        },
        ...modelOptions,
        target: { describe: 'board it must fit', type: 'string', requiresArg: true, default: defaultTarget },
        budget: {
          describe: 'SRAM it must fit into, such as 256k',
          type: 'string',
          requiresArg: true,
          coerce: bytes('budget'),
          defaultDescription: 'that of the board',
        },
        flash: {
          describe: 'flash it must fit into, such as 1m',
          type: 'string',
          requiresArg: true,
          coerce: bytes('flash'),
          defaultDescription: 'that of the board',
        },
        'residual-bits': {
          describe: 'bits beside a trained weight’s eight',
          choices: [0, 2, 4, 8],
          default: 4,
          requiresArg: true,
        },
        seed: {
          describe: 'seed of the head and of the split',
          type: 'string',
          requiresArg: true,
          default: 0,
          coerce: whole('seed', 0),
        },
        threads: {
          describe: 'threads; no result hangs on it',
          type: 'string',
          requiresArg: true,
          coerce: whole('threads', 1, 1024),
          defaultDescription: 'all cores',
        },
        resize: {
          describe: 'what happens to pictures of another shape',
          choices: resizePolicies,
          default: 'stretch' as const,
          requiresArg: true,
        },
        'skip-bad': { describe: 'go on without pictures that cannot be decoded', type: 'boolean', default: false },
        out: { describe: 'folder of the firmware', type: 'string', requiresArg: true, default: 'firmware' },
        ...commonOptions,
      })
      .example('npx tinytrain compile --data pictures --scheme bias:10 --out firmware', 'the default model for own pictures') as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
