import { availableParallelism, freemem } from 'node:os';
import type { SampleSet } from '../data/dataset.js';
import { aborted, TinytrainError } from '../errors.js';
import { type Checkpoint, call, native, type TrainingResult, type Trainer, wait, watched } from '../native.js';
import type { MemoryTable } from '../program/memory.js';
import type { Program } from '../program/program.js';
import type { RunFolder } from './run.js';

/** Augmentation of training samples, a function of seed and visit. */
export interface Augmentation {
  /** Mirrors every other sample, by chance. */
  readonly flip?: boolean | undefined;
  /** Shifts by up to so many pixels either way, filled with the zero point. */
  readonly shift?: number | undefined;
}

/** What a training run hangs on: two runs of the same Program, data and plan give the same bits. */
export interface TrainPlan {
  /** Training steps, a sample each. */
  readonly steps: number;
  /** The highest learning rate: reached after a tenth of the steps, then falling to zero along half a cosine. */
  readonly lr: number;
  /** Seed of the order of samples and of augmentation. */
  readonly seed: number;
  readonly augment: { readonly flip: boolean; readonly shift: number };
}

/** What a run is doing, and how far it is. */
export interface TrainProgress {
  readonly phase: 'before' | 'prefix' | 'training' | 'after';
  /** Samples or steps done, of `total`. */
  readonly done: number;
  readonly total: number;
  /** Mean loss of the last stretch, once there is one. */
  readonly loss?: number;
}

/** How a training run goes. */
export interface TrainOptions {
  /** Training steps, a sample each; or: */
  readonly steps?: number | undefined;
  /** so many times the training samples; 2 by default. */
  readonly epochs?: number | undefined;
  /** The highest learning rate; 0.0016 by default. */
  readonly lr?: number | undefined;
  /** Seed of the order of samples and of augmentation; that of the Program by default. */
  readonly seed?: number | undefined;
  readonly augment?: Augmentation | undefined;
  /** Threads for evaluation; all cores by default. No result hangs on it. */
  readonly threads?: number | undefined;
  /** Bytes for what the frozen layers make of the samples; a quarter of the free memory by default. No result hangs on it. */
  readonly cacheBytes?: number | undefined;
  /** A folder that keeps the run: checkpoints, the result, the trained state. See `createRun` and `openRun`. */
  readonly run?: RunFolder | undefined;
  /** Seconds between checkpoints; 10 by default. */
  readonly checkpointSeconds?: number | undefined;
  /** Stops the run within a step; it rejects with the code `ABORTED`, and a run folder then holds the steps done. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: TrainProgress) => void) | undefined;
}

/** A point of the learning curve: what a stretch of training up to `step` found, before each update. */
export interface CurvePoint {
  readonly step: number;
  /** Mean loss, natural logarithm. */
  readonly loss: number;
  /** Share of samples that were classified right. */
  readonly accuracy: number;
}

/** Accuracy on samples that training never saw, as a share of 1. */
export interface Accuracy {
  readonly before: number;
  readonly after: number;
  /** Number of samples it was measured on. */
  readonly samples: number;
}

/** How often the backward pass met a bound of int8. */
export interface Saturation {
  /** Gradient elements, over all steps. */
  readonly total: number;
  /** By step of the Program, those without any left out. */
  readonly steps: readonly { readonly label: string; readonly count: number }[];
}

/** What a training run found. */
export interface TrainResult {
  readonly model: {
    readonly name: string;
    readonly path: string;
    readonly hash: string;
    readonly input: readonly number[];
  };
  readonly data: {
    readonly source: string;
    readonly classes: readonly string[];
    readonly train: number;
    readonly test: number;
    readonly skipped: readonly string[];
  };
  readonly scheme: string;
  readonly residualBits: number;
  readonly seed: number;
  readonly lr: number;
  readonly accuracy: Accuracy;
  readonly loss: { readonly before: number; readonly after: number };
  readonly curve: readonly CurvePoint[];
  readonly saturation: Saturation;
  readonly steps: number;
  /** Time of the training steps alone. */
  readonly seconds: number;
  /** SHA-256 over every trainable byte. */
  readonly checksum: string;
  /** SHA-256 over everything that decides the Program's bits. */
  readonly program: string;
  readonly memory: MemoryTable;
}

/** A training run between two stretches. */
export interface RunState {
  readonly checkpoint: Checkpoint;
  /** Accuracy and loss before the first step. */
  readonly before: { readonly accuracy: number; readonly loss: number };
  readonly curve: readonly CurvePoint[];
  /** The stretch that was begun: sums over the steps since the last point of the curve. */
  readonly open: Required<TrainingResult>;
  readonly seconds: number;
}

/** A loss in Q.16 as a number. */
const LOSS_UNIT = 65536;
const POINTS = 50;
/** A stretch of training is cut into pieces of about so many seconds, after each of which there may be a checkpoint. */
const PIECE_SECONDS = 2;
const CHECKPOINT_SECONDS = 10;
const MAX_CACHE = 2 ** 32;
const nothing: Required<TrainingResult> = { steps: 0, loss: 0, correct: 0 };

function checkNumber(name: string, value: number, ok: boolean, expected: string): void {
  if (!ok)
    throw new TinytrainError('OPTION_INVALID', `${name} is ${value}; expected: ${expected}`, { option: name, value });
}

/** Fills in what is left out. */
export function planOf(program: Program, data: SampleSet, options: TrainOptions): TrainPlan {
  const steps = options.steps ?? Math.round((options.epochs ?? 2) * data.train.size);
  const lr = options.lr ?? 1.6e-3;
  const shift = options.augment?.shift ?? 0;
  checkNumber('steps', steps, Number.isSafeInteger(steps) && steps >= 1 && steps < 2 ** 32, 'a whole number from 1 on');
  checkNumber('lr', lr, lr > 0 && lr <= 1, 'a number above 0 and at most 1');
  checkNumber('augment.shift', shift, Number.isSafeInteger(shift) && shift >= 0, 'a whole number of pixels');
  return { steps, lr, seed: options.seed ?? program.seed, augment: { flip: options.augment?.flip ?? false, shift } };
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

/** Trains a piece: at most to the end of the stretch that the next point of the curve stands for. */
async function piece(run: Run, state: RunState, steps: number): Promise<RunState> {
  const { plan, options, trainer } = run;
  const start = state.checkpoint.steps;
  const loss = state.curve.at(-1)?.loss;
  const began = performance.now();
  const found = await watched(control => trainer.run(steps, control), {
    signal: options.signal,
    onProgress:
      options.onProgress &&
      (({ done, total }) =>
        options.onProgress?.(
          total > steps
            ? { phase: 'prefix', done, total }
            : { phase: 'training', done: start + done, total: plan.steps, ...(loss === undefined ? {} : { loss }) },
        )),
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

/** Trains to the end of the plan, a point of the curve at fixed steps, a checkpoint now and then. */
async function trainOn(run: Run, first: RunState): Promise<RunState> {
  const { plan, options } = run;
  const stretch = Math.ceil(plan.steps / POINTS);
  const interval = (options.checkpointSeconds ?? CHECKPOINT_SECONDS) * 1000;
  let state = first;
  let size = 1;
  let saved = performance.now();
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

/** Trains a Program on a data set in the device's own integers, and measures it on samples that training never saw. */
export async function train(program: Program, data: SampleSet, options: TrainOptions = {}): Promise<TrainResult> {
  const plan = planOf(program, data, options);
  const threads = options.threads ?? availableParallelism();
  const cacheBytes = options.cacheBytes ?? Math.min(MAX_CACHE, freemem() / 4);
  const settings = { ...plan.augment, lr: plan.lr, steps: plan.steps, seed: plan.seed, cacheBytes, threads };
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
      name: model.description.name,
      path: model.path,
      hash: model.hash,
      input: [model.input.height, model.input.width, model.input.channels],
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
    seed: plan.seed,
    lr: plan.lr,
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
