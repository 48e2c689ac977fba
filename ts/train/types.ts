import * as v from 'valibot';
import { count, sha256 } from '../json.js';
import type { Checkpoint, TrainingResult } from '../native.js';
import { options } from '../options.js';
import { type MemoryTable, memoryTable } from '../program/memory.js';
import type { TrainedState } from '../program/state.js';
import type { PeakRates } from '../rates.js';

/** The state that a run keeps. */
export type Keep = 'best' | 'last';

/** Rates that were tried in a race, and what they gave on held-back samples. */
export interface TriedRates extends PeakRates {
  /** Steps of the run. */
  readonly steps: number;
  /** Mean loss on the held-back samples, natural logarithm. */
  readonly loss: number;
  /** Share of the held-back samples that were classified correctly. */
  readonly accuracy: number;
}

/** The peak learning rates of a run, and where they come from. */
export interface FoundRates extends PeakRates {
  /** `given` by the user, from the `rule` for the size of the features, or the best of a `race`. */
  readonly how: 'given' | 'rule' | 'race';
  /** The reason, in words. */
  readonly why: string;
  /** What was tried, in order. */
  readonly tried: readonly TriedRates[];
  /** Number of training samples held back during the race; the run itself trains on all. */
  readonly heldBack: number;
  readonly seconds: number;
}

/** A collapse of a run that was undone. */
export interface Setback {
  /** The step at which it was seen. */
  readonly step: number;
  /** The step from which the run went on, with a quarter of the rates. */
  readonly from: number;
  readonly why: string;
}

/** What a run may warn of; docs/training.md says what each means. */
const warningCodes = ['COLLAPSED', 'NOT_LEARNED', 'FORGETTING', 'IMBALANCE', 'SATURATED', 'REPEATED'] as const;

/** Something the user should know of a result. */
export interface Warning {
  readonly code: (typeof warningCodes)[number];
  readonly message: string;
}

/** The accuracy on the samples of one class. */
export interface ClassAccuracy {
  readonly class: string;
  readonly samples: number;
  /** A share of 1; 0 without samples. */
  readonly accuracy: number;
}

/** Everything that determines a training run besides Program and data: the same plan gives the same bits. */
export interface TrainPlan {
  /** Number of training steps, one sample each. */
  readonly steps: number;
  /** The peak learning rate of the backbone, reached after a tenth of the steps and followed by cosine decay to zero; `auto` finds it. */
  readonly lr: number | 'auto';
  /** The peak learning rate of the head; `auto` finds it. */
  readonly lrHead: number | 'auto';
  /** Whether all classes are drawn equally often. */
  readonly balance: boolean;
  /** Training steps on samples of the replay buffer behind each one on a new sample. */
  readonly replaySteps: number;
  /** Which state a run ends with: the last one, or an earlier one if the run has lost what it had learned. */
  readonly keep: Keep;
  /** Seed for the order of samples and for augmentation. */
  readonly seed: number;
  readonly augment: Readonly<Record<'shift' | 'noise' | 'crop' | 'jitter', number>> & { readonly flip: boolean };
}

/** A point of the learning curve: results of training since the previous point, up to `step`, each before its update. */
export interface CurvePoint {
  readonly step: number;
  /** Mean loss, natural logarithm. */
  readonly loss: number;
  /** Share of samples that were classified correctly. */
  readonly accuracy: number;
}

/** A look at held-out samples during a run. */
export interface HeldOutPoint {
  /** Steps done. */
  readonly step: number;
  /** Mean loss, natural logarithm. */
  readonly loss: number;
  /** Share of the samples that were classified correctly. */
  readonly accuracy: number;
}

/** What a run made of held-out samples as it went on. Nothing is decided by it unless they are of the validation split. */
export interface HeldOut {
  /** The split: `validation` if the data has one. */
  readonly on: 'validation' | 'test';
  /** Number of samples: at most 300, at even distances. */
  readonly samples: number;
  readonly points: readonly HeldOutPoint[];
}

/** A learning curve as far as a run has come. */
export interface RunCurve {
  readonly seed: number;
  /** Training steps done, and those that it is to take. */
  readonly steps: number;
  readonly total: number;
  /** Accuracy and loss on the test samples before the first step. */
  readonly before: { readonly accuracy: number; readonly loss: number };
  readonly curve: readonly CurvePoint[];
  readonly heldOut: HeldOut;
}

/** What a run made of each test sample at its end, so that runs can be compared sample by sample. */
export interface Tested {
  /** SHA-256 over the names of classes and, of each test sample, its name within its folder and its class: the same for the same samples in the same order. */
  readonly samples: string;
  /** Class of each test sample: uint16, little-endian, in base64. */
  readonly labels: string;
  /** The class that each was taken for, likewise. */
  readonly predicted: string;
}

/** Accuracy on samples not used for training, as a share of 1. */
export interface Accuracy {
  readonly before: number;
  readonly after: number;
  /** Number of these samples. */
  readonly samples: number;
  /** After training, by class. */
  readonly byClass: readonly ClassAccuracy[];
}

/** Number of saturations at the bounds of int8 in the backward pass. */
export interface Saturation {
  /** Gradient elements, over all steps. */
  readonly total: number;
  /** By step of the Program, without those that had none. */
  readonly steps: readonly { readonly label: string; readonly count: number }[];
}

/** Results of a training run as stored in its folder, which has the state beside it. */
export interface RunResult {
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
  /** The peak learning rates. */
  readonly rates: FoundRates;
  readonly accuracy: Accuracy;
  /** After training: how often test samples of each class (rows) were taken for each class (columns). */
  readonly confusion: readonly (readonly number[])[];
  readonly warnings: readonly Warning[];
  /** Collapses that were undone. */
  readonly setbacks: readonly Setback[];
  readonly loss: { readonly before: number; readonly after: number };
  readonly curve: readonly CurvePoint[];
  readonly heldOut: HeldOut;
  readonly tested: Tested;
  readonly saturation: Saturation;
  readonly steps: number;
  /** The step whose state was kept. */
  readonly kept: number;
  /** Time of the training steps only. */
  readonly seconds: number;
  /** SHA-256 over all trainable state. */
  readonly checksum: string;
  /** SHA-256 over everything that determines the Program's results. */
  readonly program: string;
  readonly memory: MemoryTable;
}

/** Results of a training run. */
export interface TrainResult extends RunResult {
  /** What was learned: `program.withState(state)` starts with it. */
  readonly state: TrainedState;
}

/** The progress of a training run. */
export interface RunState {
  readonly checkpoint: Checkpoint;
  readonly rates: FoundRates;
  readonly setbacks: readonly Setback[];
  /** The state with the lowest recent loss so far, at a point of the curve. */
  readonly best: BestState | null;
  /** The state with the lowest loss on the validation split so far, at a point of the curve; null without such a split. */
  readonly lowest: BestState | null;
  /** The step of the checkpoint's state, where a run has ended with an earlier one than its last. */
  readonly kept: number | null;
  /** Accuracy and loss before the first step. */
  readonly before: { readonly accuracy: number; readonly loss: number };
  readonly curve: readonly CurvePoint[];
  /** Looks at held-out samples. */
  readonly heldOut: readonly HeldOutPoint[];
  /** Sums over the steps since the last point of the curve. */
  readonly open: Required<TrainingResult>;
  readonly seconds: number;
}

/** A state to go back to. */
export interface BestState {
  readonly checkpoint: Checkpoint;
  /** Mean loss of the steps before it. */
  readonly loss: number;
}

/** A checkpoint as stored in a file: the trainable state in base64, steps done, saturated elements by step of the Program. */
export interface StoredCheckpoint {
  readonly state: string;
  readonly steps: number;
  readonly saturated: readonly number[];
}

/** A state to go back to, as stored in a file. */
export interface StoredBest {
  readonly checkpoint: StoredCheckpoint;
  readonly loss: number;
}

/** The progress of a run as JSON has it. */
export interface StoredProgress extends Omit<RunState, 'checkpoint' | 'best' | 'lowest'> {
  readonly checkpoint: StoredCheckpoint;
  readonly best: StoredBest | null;
  readonly lowest: StoredBest | null;
}

/** A state as stored in a file. */
export interface StoredState extends StoredProgress {
  /** SHA-256 of the record of the run to which the state belongs. */
  readonly run: string;
}

const real = v.pipe(v.number(), v.finite());
const share = v.pipe(real, v.minValue(0), v.maxValue(1));
const seconds = v.pipe(real, v.minValue(0));
const strings = v.array(v.string());
const curve = v.array(v.object({ step: count, loss: real, accuracy: share }));
const base64 = v.pipe(v.string(), v.base64());

const asked = v.custom<number | 'auto'>(value => options.lr.kind.is(value));
const rates = v.object({
  head: v.pipe(real, v.gtValue(0)),
  backbone: v.pipe(real, v.gtValue(0)),
  how: v.picklist(['given', 'rule', 'race']),
  why: v.string(),
  tried: v.array(v.object({ head: real, backbone: real, steps: count, loss: real, accuracy: share })),
  heldBack: count,
  seconds,
});
const setbacks = v.array(v.object({ step: count, from: count, why: v.string() }));
const checkpoint = v.object({ state: base64, steps: count, saturated: v.array(count) });

const best = v.object({ checkpoint, loss: real });

/** Schema of a plan that was read from a file. */
export const planSchema: v.GenericSchema<unknown, TrainPlan> = v.object({
  steps: v.pipe(count, v.minValue(1)),
  lr: asked,
  lrHead: asked,
  balance: v.boolean(),
  replaySteps: v.optional(count, 0),
  keep: v.picklist(['best', 'last']),
  seed: count,
  augment: v.object({
    flip: v.boolean(),
    shift: count,
    noise: v.optional(v.pipe(v.number(), v.minValue(0)), 0),
    crop: v.optional(share, 0),
    jitter: v.optional(share, 0),
  }),
});

const progress = {
  checkpoint,
  rates,
  setbacks,
  best: v.nullable(best),
  lowest: v.nullable(best),
  kept: v.nullable(count),
  before: v.object({ accuracy: share, loss: real }),
  curve,
  heldOut: curve,
  open: v.object({ steps: count, loss: real, correct: count }),
  seconds,
};

/** Schema of the progress of a run, wherever it comes from. */
export const progressSchema: v.GenericSchema<unknown, StoredProgress> = v.object(progress);

/** Schema of a state that was read from a file. */
export const stateSchema: v.GenericSchema<unknown, StoredState> = v.object({ run: sha256, ...progress });

/** Schema of a result that was read from a file. */
export const resultSchema: v.GenericSchema<unknown, RunResult> = v.object({
  model: v.object({ name: v.string(), path: v.string(), hash: sha256, input: v.array(count) }),
  data: v.object({ source: v.string(), classes: strings, train: count, test: count, skipped: strings }),
  scheme: v.string(),
  residualBits: count,
  seed: count,
  rates,
  accuracy: v.object({
    before: share,
    after: share,
    samples: count,
    byClass: v.array(v.object({ class: v.string(), samples: count, accuracy: share })),
  }),
  confusion: v.array(v.array(count)),
  warnings: v.array(
    v.object({
      code: v.picklist(warningCodes),
      message: v.string(),
    }),
  ),
  setbacks,
  loss: v.object({ before: real, after: real }),
  curve,
  heldOut: v.object({ on: v.picklist(['validation', 'test']), samples: count, points: curve }),
  tested: v.object({ samples: sha256, labels: base64, predicted: base64 }),
  saturation: v.object({ total: count, steps: v.array(v.object({ label: v.string(), count })) }),
  steps: count,
  kept: count,
  seconds,
  checksum: sha256,
  program: sha256,
  memory: memoryTable,
});
