import type { SampleSet } from '../data/dataset.js';
import { defaultImages } from '../data/drawn/set.js';
import { loadImages } from '../data/images/folder.js';
import { type ResizePolicy, resizePolicies } from '../data/input.js';
import { loadModel, type Model } from '../model/model.js';
import { defaultTarget } from '../program/memory.js';
import { compile, type Program } from '../program/program.js';
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
    choices: [0, 2, 4, 8],
    default: 4,
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

/** Reads the images. */
export function openImages(
  args: Pick<ProgramArguments, 'data' | 'threads' | 'resize' | 'seed' | 'skip-bad'>,
  model: Model,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<SampleSet> {
  const onProgress = ({ done, total }: { done: number; total: number }) => line.show('images', done, total);
  const options = { threads: args.threads, signal, onProgress };
  if (args.data === undefined) return defaultImages(model.input, options);
  const { resize, seed } = args;
  return loadImages(args.data, model.input, { ...options, resize, skipBad: args['skip-bad'], seed });
}

/** Opens the model, reads the images, compiles the Program. */
export async function openProgram(
  args: ProgramArguments,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<{ model: Model; data: SampleSet; program: Program }> {
  const model = await loadModel(args.model, { input: args.input, normalisation: normalisationOf(args) });
  const data = await openImages(args, model, signal, line);
  const { scheme, seed, budget, flash, target, threads } = args;
  const residualBits = args['residual-bits'];
  const program = await compile(model, data, { scheme, seed, budget, flash, target, threads, residualBits });
  return { model, data, program };
}
