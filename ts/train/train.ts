import { availableParallelism } from 'node:os';
import type { SampleSet } from '../data/dataset.js';
import { defaultRate } from '../defaults.js';
import { aborted } from '../errors.js';
import { factsOf } from '../model/input.js';
import { type Checkpoint, call, native, type Trainer, type TrainingResult, wait, watched } from '../native.js';
import { cacheBytesOf, checkOption, checkRate, checkWhole } from '../options.js';
import type { Program } from '../program/program.js';
import type { RunFolder } from './run.js';
import type { Augmentation, CurvePoint, RunState, Saturation, TrainPlan, TrainResult } from './types.js';

/** Progress of a run. */
export interface TrainProgress {
  readonly phase: 'before' | 'prefix' | 'training' | 'after';
  /** Samples or steps done, of `total`. */
  readonly done: number;
  readonly total: number;
  /** Mean loss of the last part, once there is one. */
  readonly loss?: number;
}

/** Options of a training run. */
export interface TrainOptions {
  /** Number of training steps, one sample each; or: */
  readonly steps?: number | undefined;
  /** number of passes over the training samples; 2 by default. */
  readonly epochs?: number | undefined;
  /** The peak learning rate; 0.0016 by default. */
  readonly lr?: number | undefined;
  /** The peak learning rate of the head; `lr` by default. */
  readonly lrHead?: number | undefined;
  /** Seed for the order of samples and for augmentation; that of the Program by default. */
  readonly seed?: number | undefined;
  readonly augment?: Augmentation | undefined;
  /** Number of threads for evaluation; one per core by default. Does not affect results. */
  readonly threads?: number | undefined;
  /** Size limit of the activation cache in bytes; a quarter of the free memory by default. Does not affect results. */
  readonly cacheBytes?: number | undefined;
  /** A folder for the run: checkpoints, the result, the trained state. See `createRun` and `openRun`. */
  readonly run?: RunFolder | undefined;
  /** Seconds between checkpoints; 10 by default. */
  readonly checkpointSeconds?: number | undefined;
  /** Stops the run within a step; it rejects with the code `ABORTED`, and a run folder then contains the steps done. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: TrainProgress) => void) | undefined;
}

/** Converts a loss with 16 fraction bits to a number. */
const LOSS_UNIT = 65536;
const POINTS = 50;
/** Training is divided into pieces of about this number of seconds, after each of which there may be a checkpoint. */
const PIECE_SECONDS = 2;
const CHECKPOINT_SECONDS = 10;
const nothing: Required<TrainingResult> = { steps: 0, loss: 0, correct: 0 };

/** The plan of a run, with defaults for omitted options. Throws `OPTION_INVALID`. */
export function planOf(program: Program, data: SampleSet, options: TrainOptions): TrainPlan {
  const steps = options.steps ?? Math.round((options.epochs ?? 2) * data.train.size);
  const lr = options.lr ?? defaultRate;
  const lrHead = options.lrHead ?? lr;
  const shift = options.augment?.shift ?? 0;
  checkWhole('steps', steps, 1);
  checkRate('lr', lr);
  checkRate('lrHead', lrHead);
  checkOption('augment.shift', shift, Number.isSafeInteger(shift) && shift >= 0, 'an integer number of pixels');
  const augment = { flip: options.augment?.flip ?? false, shift };
  return { steps, lr, lrHead, seed: options.seed ?? program.seed, augment };
}

interface Run {
  readonly program: Program;
  readonly data: SampleSet;
  readonly plan: TrainPlan;
  readonly options: TrainOptions;
  readonly trainer: Trainer;
  readonly threads: number;
}

async function evaluate(run: Run, phase: 'before' | 'after'): Promise<{ accuracy: number; loss: number }> {
  const { data, options, trainer, threads } = run;
  const total = data.test.size;
  const found = await watched(control => trainer.evaluate(data.test.handle, threads, control), {
    signal: options.signal,
    onProgress: options.onProgress && (({ done }) => options.onProgress?.({ phase, done, total })),
  });
  return { accuracy: found.correct / total, loss: found.loss / LOSS_UNIT / total };
}

function pointOf(step: number, { steps, loss, correct }: Required<TrainingResult>): CurvePoint {
  return { step, loss: loss / LOSS_UNIT / steps, accuracy: correct / steps };
}

/** Trains a piece, at most to the next point of the curve. */
async function piece(run: Run, state: RunState, steps: number): Promise<RunState> {
  const { plan, options, trainer } = run;
  const start = state.checkpoint.steps;
  const loss = state.curve.at(-1)?.loss;
  const began = performance.now();
  const found = await watched(control => trainer.run(steps, control), {
    signal: options.signal,
    onProgress:
      options.onProgress &&
      (({ done }) => {
        const progress = { phase: 'training', done: start + done, total: plan.steps } as const;
        options.onProgress?.(loss === undefined ? progress : { ...progress, loss });
      }),
  });
  const open = {
    steps: state.open.steps + found.steps,
    loss: state.open.loss + found.loss,
    correct: state.open.correct + found.correct,
  };
  return {
    ...state,
    checkpoint: call(() => trainer.checkpoint()),
    open,
    seconds: state.seconds + (performance.now() - began) / 1000,
  };
}

/** Fills the activation cache, if that saves more time than it takes. */
async function prepare({ trainer, options }: Run): Promise<void> {
  await watched(control => trainer.prepare(control), {
    signal: options.signal,
    onProgress:
      options.onProgress &&
      (({ done, total }) => {
        if (total > 0) options.onProgress?.({ phase: 'prefix', done, total });
      }),
  });
}

/** Trains to the end of the plan, with a point of the curve at fixed steps and a checkpoint from time to time. */
async function trainOn(run: Run, first: RunState): Promise<RunState> {
  const { plan, options } = run;
  const stretch = Math.ceil(plan.steps / POINTS);
  const interval = (options.checkpointSeconds ?? CHECKPOINT_SECONDS) * 1000;
  let state = first;
  let size = 1;
  let saved = performance.now();
  await prepare(run);
  while (state.checkpoint.steps < plan.steps) {
    const done = state.checkpoint.steps;
    const end = Math.min(plan.steps, (Math.floor(done / stretch) + 1) * stretch);
    const began = performance.now();
    state = await piece(run, state, Math.min(size, end - done));
    const reached = state.checkpoint.steps;
    if (reached === end) state = { ...state, curve: [...state.curve, pointOf(end, state.open)], open: nothing };
    if (options.signal?.aborted) {
      await options.run?.save(state);
      throw aborted(`training, after ${reached} of ${plan.steps} steps,`);
    }
    const seconds = (performance.now() - began) / 1000;
    size = Math.max(1, Math.round(((reached - done) / seconds) * PIECE_SECONDS));
    if (performance.now() - saved > interval) {
      await options.run?.save(state);
      saved = performance.now();
    }
  }
  return state;
}

function saturationOf(program: Program, { saturated }: Checkpoint): Saturation {
  const steps = program.record.steps
    .map(({ label }, i) => ({ label, count: saturated[i] ?? 0 }))
    .filter(({ count }) => count > 0);
  return { total: steps.reduce((sum, { count }) => sum + count, 0), steps };
}

/** Trains a Program on a data set with the device's own integers, and measures it on samples not used for training. */
export async function train(program: Program, data: SampleSet, options: TrainOptions = {}): Promise<TrainResult> {
  const plan = planOf(program, data, options);
  const threads = options.threads ?? availableParallelism();
  const cacheBytes = cacheBytesOf(options.cacheBytes);
  const { steps, seed, augment } = plan;
  const settings = {
    ...augment,
    headRate: plan.lrHead,
    backboneRate: plan.lr,
    steps,
    seed,
    balance: false,
    cacheBytes,
    threads,
  };
  const trainer = call(() => new (native().Trainer)(program.handle, data.train.handle, settings));
  const run: Run = { program, data, plan, options, trainer, threads };

  await options.run?.begin(program, data, plan);
  const saved = await options.run?.load();
  if (saved) call(() => trainer.restore(saved.checkpoint));
  const fresh = async (): Promise<RunState> => {
    const before = await evaluate(run, 'before');
    return { checkpoint: call(() => trainer.checkpoint()), before, curve: [], open: nothing, seconds: 0 };
  };
  const state = await trainOn(run, saved ?? (await fresh()));
  await options.run?.save(state);
  const after = await evaluate(run, 'after');
  const { model } = program;
  const result: TrainResult = {
    model: {
      name: model.name,
      path: model.path,
      hash: model.hash,
      input: factsOf(program.input).shape,
    },
    data: {
      source: data.source,
      classes: data.classes,
      train: data.train.size,
      test: data.test.size,
      skipped: data.skipped.map(({ path }) => path),
    },
    scheme: program.scheme,
    residualBits: program.residualBits,
    seed,
    rates: { head: plan.lrHead, backbone: plan.lr },
    accuracy: { before: state.before.accuracy, after: after.accuracy, samples: data.test.size },
    loss: { before: state.before.loss, after: after.loss },
    curve: state.curve,
    saturation: saturationOf(program, state.checkpoint),
    steps: state.checkpoint.steps,
    seconds: state.seconds,
    checksum: await wait(async () => trainer.checksum()),
    program: program.hash,
    memory: program.memory,
  };
  await options.run?.finish(result);
  return result;
}
