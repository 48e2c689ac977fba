import type { SampleSet } from '../data/dataset.js';
import { drawers } from '../data/drawn/drawers.js';
import type { ResizePolicy } from '../data/images/input.js';
import { sampleFolder } from '../data/open.js';
import type { ReadOptions, SampleSource } from '../data/source.js';
import { type Task, tasks } from '../defaults.js';
import { TinytrainError } from '../errors.js';
import { thousands } from '../format.js';
import { FloatModel } from '../model/float.js';
import { embeddedModels, loadAnyModel, type Model, type ModelOrigin, type QuantisedOrigin } from '../model/model.js';
import { quantised } from '../model/quantised.js';
import type { Crop, FrameSize, FrontOptions } from '../options.js';
import { checkFits, compile } from '../program/compiler.js';
import { type HeadStart, startRows } from '../program/head.js';
import type { Feed } from '../program/memory.js';
import type { Program } from '../program/program.js';
import { normalisationOf } from './options.js';
import type { ProgressLine } from './progress.js';

/** The arguments of a command that compiles a Program. */
export interface ProgramArguments {
  task?: Task;
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
  replay?: number;
  'residual-bits'?: number;
  head?: HeadStart;
  map?: Record<string, number>;
  seed?: number;
  threads?: number;
  resize?: ResizePolicy;
  camera?: FrameSize;
  crop?: Crop;
  window?: number;
  hop?: number;
  front?: FrontOptions;
  'skip-bad': boolean;
}

/** The arguments of a command that reads samples. */
export type SampleArguments = Pick<
  ProgramArguments,
  'task' | 'data' | 'seed' | 'threads' | 'resize' | 'camera' | 'crop' | 'window' | 'hop' | 'front' | 'skip-bad'
>;

/** A model in words: its name, its input, its size. */
export function modelText({ description: { name, input, totals } }: Model): string {
  return `${name} (${input.shape.join('x')}, ${(totals.macs / 1e6).toFixed(1)} M MACs, ${thousands(totals.weights)} weights)`;
}

/** Throws `USAGE` for options of a camera where no images are given that could be its frames. */
export function checkNoCamera({ camera, crop }: Pick<SampleArguments, 'camera' | 'crop'>): void {
  const name = camera ? 'camera' : 'crop';
  if (camera || crop) throw new TinytrainError('USAGE', `--${name} does nothing without --data, a folder of frames`);
}

/** The source of the samples that a command uses; nothing is read yet. */
export async function openSource(args: Omit<SampleArguments, 'threads'>): Promise<SampleSource> {
  const { data, resize, camera, crop, seed, window, hop, front } = args;
  if (data !== undefined) {
    return sampleFolder(data, { resize, camera, crop, seed, window, hop, front, skipBad: args['skip-bad'] });
  }
  checkNoCamera(args);
  if (front) throw new TinytrainError('USAGE', '--front does nothing without --data, a folder of sounds');
  return drawers[args.task ?? tasks[0]]();
}

/** Options with which a command reads samples: its signal stops it, and a line shows the progress. */
export function readOptions(threads: number | undefined, signal: AbortSignal, line: ProgressLine): ReadOptions {
  return { threads, signal, onProgress: ({ done, total }) => line.show('samples', done, total) };
}

/** The file of the model that a command uses. Throws `USAGE` for a task of which neither model nor samples are taken. */
export function modelFile({ task, model, data }: Pick<ProgramArguments, 'task' | 'model' | 'data'>): string {
  if (task !== undefined && model !== undefined && data !== undefined) {
    throw new TinytrainError(
      'USAGE',
      `--task ${task} does nothing where --model and --data are given: it has a model and samples`,
    );
  }
  return model ?? embeddedModels[task ?? tasks[0]];
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
  args: Pick<ProgramArguments, 'task' | 'model' | 'data' | 'input' | 'mean' | 'std' | 'threads'>,
  source: SampleSource,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<Model> {
  const normalisation = normalisationOf(args);
  const pixels = source.normalise ? undefined : normalisation;
  const found = await loadAnyModel(modelFile(args), { input: args.input, normalisation: pixels });
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
  const { scheme, seed, budget, flash, target, feed, store, replay, threads } = args;
  const { head, map } = args;
  const options = {
    scheme,
    seed,
    budget,
    flash,
    target,
    feed,
    store,
    replay,
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
