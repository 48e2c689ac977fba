import { threadCount } from '#host';
import type { SampleSet } from '../data/dataset.js';
import { repeatedText } from '../data/repeated.js';
import { aborted, TinytrainError } from '../errors.js';
import { percent } from '../format.js';
import { check } from '../kinds.js';
import { meanLoss } from '../loss.js';
import { factsOf } from '../model/input.js';
import { type Checkpoint, call, native, type Trainer, type TrainingResult, wait, watched } from '../native.js';
import {
  type Augmentation,
  options as all,
  cacheBytesOf,
  checkOptions,
  object,
  optionTable,
  progress,
} from '../options.js';
import { workOf } from '../program/costs.js';
import type { Program } from '../program/program.js';
import { hasKept } from '../program/replay.js';
import { augmentationOf, augmentInSteps } from './augment.js';
import { accuracyByClass, confusionOf, countsOf, forgetting, imbalance, priorLoss } from './classes.js';
import { type Held, heldSamples, keptState, lookAt, looked } from './keep.js';
import { RunKeeper } from './keeper.js';
import { findRates } from './race.js';
import { testedOf } from './tested.js';
import type {
  CurvePoint,
  FoundRates,
  Keep,
  RunCurve,
  RunResult,
  RunState,
  Saturation,
  Setback,
  TrainPlan,
  TrainResult,
  Warning,
} from './types.js';
import { collapse, hasLost, MOST_SETBACKS, recentLoss, scaleAfter } from './watch.js';

/** Progress of a run. */
export interface TrainProgress {
  readonly phase: 'before' | 'rates' | 'prefix' | 'training' | 'after';
  /** Samples, runs or steps done, of `total`. */
  readonly done: number;
  readonly total: number;
  /** Mean loss of the last part, once there is one. */
  readonly loss?: number;
}

/** Options of a training run. */
export interface TrainOptions {
  /** Number of training steps, one sample each; or: */
  readonly steps?: number | undefined;
  /** number of passes over the training samples; 2 by default, but at least 1,000 steps. */
  readonly epochs?: number | undefined;
  /** The peak learning rate; `auto`, the default, finds it (docs/training.md). */
  readonly lr?: number | 'auto' | undefined;
  /** The peak learning rate of the head; `lr` by default. */
  readonly lrHead?: number | 'auto' | undefined;
  /** Draws all classes equally often, however many samples each has. */
  readonly balance?: boolean | undefined;
  /**
   * Training steps on samples of the Program's replay buffer behind each one on a new sample, so that what is no longer among the samples is not forgotten. 1 by
   * default where the buffer has samples at the start, else none.
   */
  readonly replaySteps?: number | undefined;
  /**
   * `best`, the default, ends with the state that has the lowest loss on the validation split or, if there is none, with an earlier one where the run has lost
   * what it had learned; `last` always with the last one.
   */
  readonly keep?: Keep | undefined;
  /** Seed for the order of samples and for augmentation; that of the Program by default. */
  readonly seed?: number | undefined;
  readonly augment?: Augmentation | undefined;
  /** Number of threads for evaluation; one per core by default. Does not affect results. */
  readonly threads?: number | undefined;
  /** Size limit of the activation cache in bytes; a quarter of the free memory by default. Does not affect results. */
  readonly cacheBytes?: number | undefined;
  /** A folder for the run: checkpoints, the result, the trained state. See `createRun` and `openRun`. */
  readonly run?: RunKeeper | undefined;
  /** Seconds between checkpoints; 10 by default. */
  readonly checkpointSeconds?: number | undefined;
  /** Stops the run within a step; it rejects with the code `ABORTED`, and a run folder then contains the steps done. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: TrainProgress) => void) | undefined;
  /** Is told of the learning curve: before the first step, and at each further point. Nothing that it is told changes what is learned. */
  readonly onCurve?: ((curve: RunCurve) => void) | undefined;
}

/** How it is trained, wherever that is. @internal */
export const planOptions = {
  steps: all.steps,
  epochs: all.epochs,
  lr: all.lr,
  lrHead: all.lrHead,
  balance: all.balance,
  replaySteps: all.replaySteps,
  keep: all.keep,
  augment: all.augment,
};

const trainOptions = optionTable<TrainOptions>({
  ...planOptions,
  seed: all.seed,
  threads: all.threads,
  cacheBytes: all.cacheBytes,
  run: object<RunKeeper>('the folder of the run', 'a folder from createRun or openRun', RunKeeper.is),
  checkpointSeconds: all.checkpointSeconds,
  signal: all.signal,
  onProgress: progress(),
  onCurve: progress(),
});

const POINTS = 50;
/** Passes over the training samples by default, and the fewest steps of a run of which nothing was said. */
const EPOCHS = 2;
const LEAST_STEPS = 1000;
/** Training is divided into pieces of about this number of seconds, after each of which there may be a checkpoint. */
const PIECE_SECONDS = 2;
/** A share of saturated gradients above this is a reason to doubt the rates. */
const MOST_SATURATED = 0.001;
const nothing: Required<TrainingResult> = { steps: 0, loss: 0, correct: 0 };

/** Steps of a run: passes over the training samples, and without any said, not fewer than it takes to learn from few samples. */
function stepsOf({ train }: SampleSet, epochs: number | undefined, replaySteps: number): number {
  const turns = epochs === undefined ? Math.max(EPOCHS * train.size, LEAST_STEPS) : Math.round(epochs * train.size);
  return turns * (1 + replaySteps);
}

/** The plan of a run, with defaults for omitted options. Throws `OPTION_INVALID`. */
export function planOf(program: Program, data: SampleSet, options: TrainOptions): TrainPlan {
  checkOptions(trainOptions, options);
  const replaySteps = options.replaySteps ?? (hasKept(program) ? 1 : 0);
  if (replaySteps > 0 && program.replay === 0) {
    throw new TinytrainError(
      'OPTION_INVALID',
      'steps on kept samples (replaySteps, --replay-steps): the program has no replay buffer',
      {
        help: ['compile it with room for some samples: --replay 50'],
      },
    );
  }
  const steps = options.steps ?? stepsOf(data, options.epochs, replaySteps);
  // Part of a pass may be less than a step, and many passes more than are counted.
  check('steps', all.steps.kind, steps);
  const lr = options.lr ?? 'auto';
  const lrHead = options.lrHead ?? lr;
  const augment = augmentationOf(options.augment, program);
  const { seed = program.seed, balance = all.balance.default, keep = all.keep.default } = options;
  return { steps, lr, lrHead, balance, replaySteps, keep, seed, augment };
}

interface Run {
  readonly program: Program;
  readonly data: SampleSet;
  readonly plan: TrainPlan;
  readonly options: TrainOptions;
  readonly trainer: Trainer;
  readonly threads: number;
  /** The state from which training starts. */
  readonly start: Checkpoint;
  /** Number of training samples of each class. */
  readonly counts: readonly number[];
  readonly held: Held;
}

interface Evaluated {
  readonly accuracy: number;
  readonly loss: number;
  readonly predicted: Uint32Array;
}

async function evaluate(run: Run, phase: 'before' | 'after'): Promise<Evaluated> {
  const { data, options, trainer, threads } = run;
  const total = data.test.size;
  const found = await watched(control => trainer.evaluate(data.test.handle, threads, control), {
    signal: options.signal,
    onProgress: options.onProgress && (({ done }) => options.onProgress?.({ phase, done, total })),
  });
  return { accuracy: found.correct / total, loss: meanLoss(found.loss, total), predicted: found.predicted };
}

function pointOf(step: number, { steps, loss, correct }: Required<TrainingResult>): CurvePoint {
  return { step, loss: meanLoss(loss, steps), accuracy: correct / steps };
}

function tellCurve({ plan, held, options }: Run, { checkpoint, before, curve, heldOut }: RunState): void {
  options.onCurve?.({
    ...{ seed: plan.seed, steps: checkpoint.steps, total: plan.steps, before, curve },
    heldOut: { on: held.on, samples: held.set.size, points: heldOut },
  });
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
  const interval = (options.checkpointSeconds ?? all.checkpointSeconds.default) * 1000;
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
    if (reached === end) {
      state = judged(run, { ...state, curve: [...state.curve, pointOf(end, state.open)], open: nothing });
      // A run that has just gone back is looked at when it gets here again.
      if (state.checkpoint.steps === end) state = await looked(run.trainer, run.held, state, plan, run.threads);
      tellCurve(run, state);
    }
    if (options.signal?.aborted) {
      await options.run?.save(state);
      throw aborted(`training, after ${reached} of ${plan.steps} steps,`, options.signal);
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

/** Looks at a run at a point of its curve: remembers the best state, and goes back to it with lower rates if the run has collapsed. */
function judged(run: Run, state: RunState): RunState {
  const { plan, trainer, counts } = run;
  const loss = recentLoss(state.curve);
  const high = plan.lr === 'auto' || plan.lrHead === 'auto';
  const why = collapse(state, lossOfGuessing(plan, counts), plan.steps, high);
  if (why !== undefined && state.setbacks.length < MOST_SETBACKS) {
    const from = state.best?.checkpoint ?? run.start;
    const setbacks = [...state.setbacks, { step: state.checkpoint.steps, from: from.steps, why }];
    call(() => trainer.restore(from));
    applyRates(run, state.rates, setbacks);
    const upTo = <T extends { readonly step: number }>(points: readonly T[]) =>
      points.filter(({ step }) => step <= from.steps);
    return { ...state, setbacks, checkpoint: from, curve: upTo(state.curve), heldOut: upTo(state.heldOut) };
  }
  if (loss === undefined || (state.best && state.best.loss <= loss)) return state;
  return { ...state, best: { checkpoint: state.checkpoint, loss } };
}

function lossOfGuessing({ balance }: TrainPlan, counts: readonly number[]): number {
  return priorLoss(balance ? counts.map(count => Math.min(1, count)) : counts);
}

function applyRates({ trainer }: Run, { head, backbone }: FoundRates, setbacks: readonly Setback[]): void {
  const scale = scaleAfter(setbacks);
  call(() => trainer.setRates(head * scale, backbone * scale));
}

function warningsOf(run: Run, state: RunState, loss: number, saturation: Saturation): Warning[] {
  const { plan, data, counts, program } = run;
  const { balance, replaySteps } = plan;
  const warnings = [...imbalance(counts, data.classes, balance), ...forgetting(counts, data.classes, replaySteps)];
  const repeated = repeatedText(data);
  if (repeated !== undefined) warnings.push({ code: 'REPEATED', message: repeated });
  for (const { step, from, why } of state.setbacks) {
    const message = `collapsed at step ${step} (${why}): went on from step ${from} with a quarter of the rates`;
    warnings.push({ code: 'COLLAPSED', message });
  }
  if (state.kept !== null && hasLost(state, lossOfGuessing(plan, counts))) {
    const message = `the end of the run had lost what was learned: the state of step ${state.kept} was kept`;
    warnings.push({ code: 'COLLAPSED', message });
  }
  if (loss >= priorLoss(countsOf(data.test, data.classes.length))) {
    const message =
      'the loss on the test samples is not below that of guessing: nothing was learned that holds for them';
    warnings.push({ code: 'NOT_LEARNED', message });
  }
  const share = saturation.total / Math.max(1, plan.steps * gradientsOf(program));
  if (share > MOST_SATURATED) {
    const message = `${percent(share)} of all gradients saturated: lower rates (--lr) may learn more`;
    warnings.push({ code: 'SATURATED', message });
  }
  return warnings;
}

function saturationOf(program: Program, { saturated }: Checkpoint): Saturation {
  const steps = program.record.steps
    .map(({ label }, i) => ({ label, count: saturated[i] ?? 0 }))
    .filter(({ count }) => count > 0);
  return { total: steps.reduce((sum, { count }) => sum + count, 0), steps };
}

/** Number of gradient elements that a step computes. */
function gradientsOf(program: Program): number {
  const { steps } = program.record;
  return workOf(program).reduce((sum, { terms }, i) => sum + (steps[i]?.saturates ? terms[2] : 0), 0);
}

/**
 * Trains a Program on a data set with the device's own integers, and measures it on samples not used for training. Throws `OPTION_INVALID`, `ABORTED`, and with
 * a run folder `FOLDER_BUSY`, `RUN_DIFFERS`, `RUN_VERSION`, `RUN_BROKEN`, `FILE_ERROR`.
 */
export async function train(program: Program, data: SampleSet, options: TrainOptions = {}): Promise<TrainResult> {
  const plan = planOf(program, data, options);
  try {
    await options.run?.begin(program, data, plan);
    return await trained(program, data, plan, options);
  } finally {
    await options.run?.end();
  }
}

async function trained(
  program: Program,
  data: SampleSet,
  plan: TrainPlan,
  options: TrainOptions,
): Promise<TrainResult> {
  const threads = options.threads ?? threadCount();
  const cacheBytes = cacheBytesOf(options.cacheBytes);
  const { steps, seed, augment, balance, replaySteps } = plan;
  const settings = {
    augment: augmentInSteps(augment, program),
    headRate: 0,
    backboneRate: 0,
    steps,
    seed,
    balance,
    replaySteps,
    cacheBytes,
    threads,
  };
  const trainer = call(() => new (native().Trainer)(program.handle, data.train.handle, settings));
  const counts = countsOf(data.train, data.classes.length);
  const start = call(() => trainer.checkpoint());
  const held = heldSamples(data);
  const run: Run = { program, data, plan, options, trainer, threads, counts, start, held };

  const saved = await options.run?.load();
  if (saved) call(() => trainer.restore(saved.checkpoint));
  const fresh = async (): Promise<RunState> => {
    const { accuracy, loss } = await evaluate(run, 'before');
    const heldOut = [{ step: 0, ...(await lookAt(trainer, held, threads)) }];
    const rates = await findRates(program, data, {
      plan,
      threads,
      signal: options.signal,
      onProgress: options.onProgress && ((done, total) => options.onProgress?.({ phase: 'rates', done, total })),
    });
    const before = { accuracy, loss };
    return {
      checkpoint: start,
      rates,
      setbacks: [],
      best: null,
      lowest: null,
      kept: null,
      before,
      curve: [],
      heldOut,
      open: nothing,
      seconds: 0,
    };
  };
  const first = saved ?? (await fresh());
  applyRates(run, first.rates, first.setbacks);
  if (!saved) await options.run?.save(first);
  tellCurve(run, first);
  const state = keptState(trainer, plan, await trainOn(run, first), lossOfGuessing(plan, counts));
  await options.run?.save(state);
  const after = await evaluate(run, 'after');
  const confusion = confusionOf(data.test, after.predicted, data.classes.length);
  const saturation = saturationOf(program, state.checkpoint);
  const { model } = program;
  const result: RunResult = {
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
    rates: state.rates,
    accuracy: {
      before: state.before.accuracy,
      after: after.accuracy,
      samples: data.test.size,
      byClass: accuracyByClass(confusion, data.classes),
    },
    confusion,
    warnings: warningsOf(run, state, after.loss, saturation),
    setbacks: state.setbacks,
    loss: { before: state.before.loss, after: after.loss },
    curve: state.curve,
    heldOut: { on: held.on, samples: held.set.size, points: state.heldOut },
    tested: testedOf(data, after.predicted),
    saturation,
    steps: state.checkpoint.steps,
    kept: state.kept ?? state.checkpoint.steps,
    seconds: state.seconds,
    checksum: await wait(async () => trainer.checksum()),
    program: program.hash,
    memory: program.memory,
  };
  await options.run?.finish(result);
  return { ...result, state: { family: program.family, bytes: state.checkpoint.state } };
}
