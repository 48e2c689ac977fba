import { joinedClasses, sourceWithClasses } from '../data/classes.js';
import type { SampleSet } from '../data/dataset.js';
import { cuttingOf, fittingOf } from '../data/origin.js';
import type { ReadOptions, SampleSource } from '../data/source.js';
import { factsOf } from '../model/input.js';
import type { Model } from '../model/model.js';
import { type Origin, reopenModel, reopenSource } from '../origin.js';
import { checkFits } from '../program/compiler.js';
import { learnedModel, type MadeModel } from '../program/export.js';
import { grow } from '../program/grow.js';
import type { Program } from '../program/program.js';
import { openRun } from '../train/run.js';
import { checkNoCamera, openSource, type ProgramArguments, readOptions, type SampleArguments } from './inputs.js';
import type { ProgressLine } from './progress.js';

/** The Program of a run, starting with what the run has learned so far, and where it comes from. */
export interface Learned {
  readonly path: string;
  readonly origin: Origin;
  readonly program: Program;
}

/** Opens a run to go on from. Throws `RUN_MISSING`, `RUN_UNTRAINED`, `RUN_BROKEN`. */
export async function openLearned(path: string): Promise<Learned> {
  const run = await openRun(path);
  const { origin } = await run.record();
  const state = await run.state();
  const program = (await run.program()).withState(state);
  return { path: run.path, origin, program };
}

/** The model of a run: its file, or the one that is given in its place. */
export function modelOf({ path, origin }: Learned, given: string | undefined, how: ReadOptions): Promise<Model> {
  return reopenModel(given === undefined ? origin : { ...origin, model: { ...origin.model, path: given } }, path, how);
}

/** The images of a run, or those that are given; read with the options of the run unless others are given. */
async function sourceOf({ path, origin, program }: Learned, args: SampleArguments): Promise<SampleSource> {
  if (args.data === undefined) {
    checkNoCamera(args);
    return reopenSource(origin, path);
  }
  const before = origin.data.origin;
  const { data, seed = program.seed } = args;
  const known = fittingOf(before);
  const { resize = known.resize, camera = known.camera, crop = known.crop } = args;
  const cut = cuttingOf(before);
  const { window = cut.window, hop = cut.hop, front = cut.front } = args;
  const fitting = { ...(resize && { resize }), ...(camera && { camera }), ...(crop && { crop }) };
  const own = { ...fitting, ...(window && { window }), ...(hop && { hop }), ...(front && { front }) };
  return openSource({ data, seed, 'skip-bad': args['skip-bad'], ...own });
}

/** The source of the samples to go on with, under the classes of a run with new ones behind them. */
async function joinedSource(learned: Learned, args: SampleArguments): Promise<SampleSource> {
  const source = await sourceOf(learned, args);
  return sourceWithClasses(source, joinedClasses(learned.program.classes, source.classes));
}

/**
 * What a run has learned as a model of its own, for commands that look for another scheme, and the samples to go on with; the model's file, to be written to `path`, is
 * not there yet.
 */
export async function openLearnedModel(
  args: SampleArguments & { readonly from: string; readonly model?: string },
  path: string,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<MadeModel & { readonly learned: Learned; readonly source: SampleSource }> {
  const learned = await openLearned(args.from);
  const source = await joinedSource(learned, args);
  const model = await modelOf(learned, args.model, readOptions(args.threads, signal, line));
  return { learned, source, ...(await learnedModel(learned.program, model, path)) };
}

/**
 * A Program that starts where a run has got to, and the images to go on with. Classes that the run does not know are added behind its own; only for
 * them the model is compiled again.
 */
export async function openFrom(
  args: ProgramArguments & { readonly from: string },
  signal: AbortSignal,
  line: ProgressLine,
): Promise<{ readonly model: string; readonly data: SampleSet; readonly program: Program }> {
  const learned = await openLearned(args.from);
  const { program: known } = learned;
  const source = await joinedSource(learned, args);
  const { classes } = source;
  const added = classes.slice(known.classes.length);
  const { scheme, residualBits, seed, limits } = known;
  const { threads } = args;
  const how = readOptions(threads, signal, line);
  const model = added.length > 0 ? await modelOf(learned, args.model, how) : undefined;
  if (model) await checkFits(model, classes, { scheme, residualBits, seed, threads, signal, ...limits });
  const data = await source.read(known.input, how);
  const program = model ? await grow(known, model, data, { threads, signal }) : known;
  const more = added.length > 0 ? `; new: ${added.join(', ')}` : '';
  return { model: `${known.model.name} (${factsOf(known.input).shape.join('x')})${more}`, data, program };
}
