import type { SampleSet } from '../data/dataset.js';
import { drawnImages } from '../data/drawn/set.js';
import { type ResizePolicy, resizePolicies } from '../data/images/input.js';
import { sampleFolder } from '../data/open.js';
import type { ReadOptions, SampleSource } from '../data/source.js';
import { allResidualBits, defaultResidualBits } from '../defaults.js';
import { thousands } from '../format.js';
import { FloatModel } from '../model/float.js';
import { loadAnyModel, type Model, type ModelOrigin, type QuantisedOrigin } from '../model/model.js';
import { quantised } from '../model/quantised.js';
import { checkFits, compile } from '../program/compiler.js';
import { type HeadStart, headStarts, startRows } from '../program/head.js';
import { defaultTarget, type Feed, feeds } from '../program/memory.js';
import type { Program } from '../program/program.js';
import { bytes, classMap, modelOptions, normalisationOf, whole } from './options.js';
import type { ProgressLine } from './progress.js';

/** The arguments of a command that compiles a Program. */
export interface ProgramArguments {
  model?: string;
  data?: string;
  scheme?: string;
  input?: { height: number; width: number };
  mean?: number[];
  std?: number[];
  budget?: number;
  flash?: number;
  target?: string;
  feed?: Feed;
  store?: boolean;
  'residual-bits'?: number;
  head?: HeadStart;
  map?: Record<string, number>;
  seed?: number;
  threads?: number;
  resize?: ResizePolicy;
  window?: number;
  hop?: number;
  'skip-bad': boolean;
}

/** The arguments of a command that reads samples. */
export type SampleArguments = Pick<
  ProgramArguments,
  'data' | 'seed' | 'threads' | 'resize' | 'window' | 'hop' | 'skip-bad'
>;

/** The options of a command that compiles a Program. */
export const programOptions = {
  model: {
    describe: 'a .tflite, .onnx or .pkl file; a float one is quantised with the training samples',
    type: 'string',
    requiresArg: true,
    defaultDescription: 'the embedded default',
  },
  data: {
    describe: 'a folder with one subfolder of images, .npy, .csv or .wav per class',
    type: 'string',
    requiresArg: true,
    defaultDescription: 'the embedded drawn images',
  },
  scheme: {
    describe: 'what to train: head, bias:N, full, bias:N,LAYER:SHARE,... or a .json file',
    type: 'string',
    requiresArg: true,
    defaultDescription: 'head',
  },
  ...modelOptions,
  target: {
    describe: 'board whose memory it must fit into',
    type: 'string',
    requiresArg: true,
    defaultDescription: `${defaultTarget} (reported, not enforced)`,
  },
  budget: {
    describe: 'SRAM it must fit into, such as 256k',
    type: 'string',
    requiresArg: true,
    coerce: bytes('budget'),
  },
  flash: { describe: 'flash it must fit into, such as 1m', type: 'string', requiresArg: true, coerce: bytes('flash') },
  feed: {
    describe:
      'how samples come in: whole, or row by row as a camera delivers them, so that no memory for a whole one is needed',
    choices: feeds,
    requiresArg: true,
    defaultDescription: 'whole',
  },
  'residual-bits': {
    describe: 'extra low-order bits kept per trained int8 weight',
    choices: allResidualBits,
    requiresArg: true,
    defaultDescription: String(defaultResidualBits),
  },
  head: {
    describe:
      'what the head starts with: keep: the model’s own classes; fresh: random weights; auto: own where the names match or --map says so',
    choices: headStarts,
    requiresArg: true,
    defaultDescription: 'auto',
  },
  map: {
    describe: 'which of the model’s own classes is which of yours, such as background=0,person=1',
    type: 'string',
    requiresArg: true,
    coerce: classMap,
  },
  seed: {
    describe: 'seed of the head, of the order of samples and of the split',
    type: 'string',
    requiresArg: true,
    defaultDescription: '0',
    coerce: whole('seed', 0),
  },
  threads: {
    describe: 'number of threads (does not affect results)',
    type: 'string',
    requiresArg: true,
    coerce: whole('threads', 1, 1024),
    defaultDescription: 'one per core',
  },
  resize: {
    describe: 'how to fit images of another size to the input',
    choices: resizePolicies,
    requiresArg: true,
    defaultDescription: 'stretch',
  },
  window: {
    describe: 'rows of a sample, cut from each .npy, .csv or .wav',
    type: 'string',
    requiresArg: true,
    coerce: whole('window', 1),
    defaultDescription: 'each file is a sample',
  },
  hop: {
    describe: 'rows from one window to the next',
    type: 'string',
    requiresArg: true,
    coerce: whole('hop', 1),
    defaultDescription: 'as many as a window has',
  },
  'skip-bad': { describe: 'skip samples that cannot be read, and list them', type: 'boolean', default: false },
} as const;

const { data, seed, threads, resize, window, hop, 'skip-bad': skipBad } = programOptions;

/** The options of a command that reads samples. */
export const sampleOptions = { data, seed, threads, resize, window, hop, 'skip-bad': skipBad } as const;

/** A model in words: its name, its input, its size. */
export function modelText({ description: { name, input, totals } }: Model): string {
  return `${name} (${input.shape.join('x')}, ${(totals.macs / 1e6).toFixed(1)} M MACs, ${thousands(totals.weights)} weights)`;
}

/** The source of the samples that a command uses; nothing is read yet. */
export async function openSource(
  args: Pick<ProgramArguments, 'data' | 'resize' | 'seed' | 'skip-bad' | 'window' | 'hop'>,
): Promise<SampleSource> {
  if (args.data === undefined) return drawnImages();
  const { resize, seed, window, hop } = args;
  return sampleFolder(args.data, { resize, seed, window, hop, skipBad: args['skip-bad'] });
}

/** Options with which a command reads samples: its signal stops it, and a line shows the progress. */
export function readOptions(threads: number | undefined, signal: AbortSignal, line: ProgressLine): ReadOptions {
  return { threads, signal, onProgress: ({ done, total }) => line.show('samples', done, total) };
}

/** How a float model was quantised, for the JSON of a command; nothing for an int8 one. */
export function quantisedOf({ quantised: how }: Pick<ModelOrigin, 'quantised'>): Pick<ModelOrigin, 'quantised'> {
  return how ? { quantised: how } : {};
}

/** How a float model was quantised, in words. */
export function quantisedText({ method, agreement, assumed, samples }: QuantisedOrigin): string {
  const same = `the class in float on ${agreement.same} of ${agreement.of} held back`;
  const input = assumed ? '; the normalisation is assumed, --mean and --std say otherwise' : '';
  return `at most ${thousands(samples.most)} training samples of ${samples.source}, ${method}: ${same}${input}`;
}

/**
 * Opens the model for the samples of a source; a float one is quantised with training samples, which is said on stderr. The normalisation of series is not
 * that of pixels, which the file is asked about.
 */
export async function openModel(
  args: Pick<ProgramArguments, 'model' | 'input' | 'mean' | 'std' | 'threads'>,
  source: SampleSource,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<Model> {
  const normalisation = normalisationOf(args);
  const pixels = source.normalise ? undefined : normalisation;
  const found = await loadAnyModel(args.model, { input: args.input, normalisation: pixels });
  if (!(found instanceof FloatModel)) return found;
  const model = await quantised(found, source, { ...readOptions(args.threads, signal, line), normalisation });
  line.clear();
  if (model.quantised) process.stderr.write(`float model, quantised to int8: ${quantisedText(model.quantised)}\n`);
  return model;
}

/** The model fed as a source of series has to feed it; for images, and where it was quantised with the source, as it is. */
export async function normalised(
  model: Model,
  source: SampleSource,
  args: Pick<ProgramArguments, 'mean' | 'std'>,
  how: ReadOptions,
): Promise<Model> {
  if (!source.normalise || model.quantised) return model;
  return model.withSeries(await source.normalise(model.input, model.input, normalisationOf(args), how));
}

/** Opens the model and lists the images, checks that the Program fits, and only then reads the images and compiles. */
export async function openProgram(
  args: ProgramArguments,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<{ model: string; data: SampleSet; program: Program }> {
  const source = await openSource(args);
  const model = await openModel(args, source, signal, line);
  const { scheme, seed, budget, flash, target, feed, store, threads } = args;
  const { head, map } = args;
  const options = {
    scheme,
    seed,
    budget,
    flash,
    target,
    feed,
    store,
    threads,
    head,
    map,
    residualBits: args['residual-bits'],
    signal,
  };
  const kept = source.classes.filter((_, i) => startRows(model, source.classes, options)[i]);
  await checkFits(model, source.classes, options);
  const how = readOptions(threads, signal, line);
  const fed = await normalised(model, source, args, how);
  const data = await source.read(fed.input, how);
  const own = kept.length > 0 ? `; starts with its own ${kept.join(', ')}` : '';
  return { model: modelText(model) + own, data, program: await compile(fed, data, options) };
}
