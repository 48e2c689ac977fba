import type { SampleSet } from '../data/dataset.js';
import { drawnImages } from '../data/drawn/set.js';
import { imageFolder } from '../data/images/folder.js';
import { type ResizePolicy, resizePolicies } from '../data/images/input.js';
import type { ReadOptions, SampleSource } from '../data/source.js';
import { allResidualBits, defaultResidualBits } from '../defaults.js';
import { thousands } from '../format.js';
import { loadModel, type Model } from '../model/model.js';
import { checkFits, compile } from '../program/compiler.js';
import { defaultTarget } from '../program/memory.js';
import type { Program } from '../program/program.js';
import { bytes, modelOptions, normalisationOf, whole } from './options.js';
import type { ProgressLine } from './progress.js';

/** What a command that compiles a Program is told. */
export interface ProgramArguments {
  model?: string;
  data?: string;
  scheme: string;
  input?: { height: number; width: number };
  mean?: number[];
  std?: number[];
  budget?: number;
  flash?: number;
  target?: string;
  'residual-bits': number;
  seed: number;
  threads?: number;
  resize: ResizePolicy;
  'skip-bad': boolean;
}

/** The options of a command that compiles a Program. */
export const programOptions = {
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
  target: {
    describe: 'board whose memory it must fit into',
    type: 'string',
    requiresArg: true,
    defaultDescription: `${defaultTarget}, only measured`,
  },
  budget: {
    describe: 'SRAM it must fit into, such as 256k',
    type: 'string',
    requiresArg: true,
    coerce: bytes('budget'),
  },
  flash: { describe: 'flash it must fit into, such as 1m', type: 'string', requiresArg: true, coerce: bytes('flash') },
  'residual-bits': {
    describe: 'bits beside a trained weight’s eight',
    choices: allResidualBits,
    default: defaultResidualBits,
    requiresArg: true,
  },
  seed: {
    describe: 'seed of the head, the order and the split',
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
    describe: 'what happens to images of another shape',
    choices: resizePolicies,
    default: 'stretch' as const,
    requiresArg: true,
  },
  'skip-bad': { describe: 'go on without images that cannot be decoded', type: 'boolean', default: false },
} as const;

/** A model in words: its name, its input, its size. */
export function modelText({ description: { name, input, totals } }: Model): string {
  return `${name} (${input.shape.join('x')}, ${(totals.macs / 1e6).toFixed(1)} M MACs, ${thousands(totals.weights)} weights)`;
}

/** The samples that a command is told to use; none is read yet. */
export async function openSource(
  args: Pick<ProgramArguments, 'data' | 'resize' | 'seed' | 'skip-bad'>,
): Promise<SampleSource> {
  if (args.data === undefined) return drawnImages();
  const { resize, seed } = args;
  return imageFolder(args.data, { resize, seed, skipBad: args['skip-bad'] });
}

/** How a command reads samples: stopped by its signal, with a line of progress. */
export function readOptions(threads: number | undefined, signal: AbortSignal, line: ProgressLine): ReadOptions {
  return { threads, signal, onProgress: ({ done, total }) => line.show('images', done, total) };
}

/** Opens the model and lists the images, checks that the Program fits, and only then reads the images and compiles. */
export async function openProgram(
  args: ProgramArguments,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<{ model: Model; data: SampleSet; program: Program }> {
  const model = await loadModel(args.model, { input: args.input, normalisation: normalisationOf(args) });
  const source = await openSource(args);
  const { scheme, seed, budget, flash, target, threads } = args;
  const options = { scheme, seed, budget, flash, target, threads, residualBits: args['residual-bits'] };
  await checkFits(model, source.classes, options);
  const data = await source.read(model.input, readOptions(threads, signal, line));
  return { model, data, program: await compile(model, data, options) };
}
