import * as v from 'valibot';
import { count, sha256 } from '../json.js';
import type { Checkpoint, TrainingResult } from '../native.js';
import { mostRate } from '../options.js';
import { type MemoryTable, memoryTable } from '../program/memory.js';
import type { PeakRates } from '../rates.js';

/** Augmentation of training samples; it depends only on seed and step. */
export interface Augmentation {
  /** Mirrors a sample with probability 1/2. */
  readonly flip?: boolean | undefined;
  /** Shifts by up to this number of pixels in each direction; pixels moved in are the zero point. */
  readonly shift?: number | undefined;
}

/** Everything that determines a training run besides Program and data: the same plan gives the same bits. */
export interface TrainPlan {
  /** Number of training steps, one sample each. */
  readonly steps: number;
  /** The peak learning rate of the backbone: reached after a tenth of the steps, followed by cosine decay to zero. */
  readonly lr: number;
  /** The peak learning rate of the head. */
  readonly lrHead: number;
  /** Seed for the order of samples and for augmentation. */
  readonly seed: number;
  readonly augment: { readonly flip: boolean; readonly shift: number };
}

/** A point of the learning curve: results of training since the previous point, up to `step`, each before its update. */
export interface CurvePoint {
  readonly step: number;
  /** Mean loss, natural logarithm. */
  readonly loss: number;
  /** Share of samples that were classified correctly. */
  readonly accuracy: number;
}

/** Accuracy on samples not used for training, as a share of 1. */
export interface Accuracy {
  readonly before: number;
  readonly after: number;
  /** Number of these samples. */
  readonly samples: number;
}

/** Number of saturations at the bounds of int8 in the backward pass. */
export interface Saturation {
  /** Gradient elements, over all steps. */
  readonly total: number;
  /** By step of the Program, without those that had none. */
  readonly steps: readonly { readonly label: string; readonly count: number }[];
}

/** Results of a training run. */
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
  /** The peak learning rates. */
  readonly rates: PeakRates;
  readonly accuracy: Accuracy;
  readonly loss: { readonly before: number; readonly after: number };
  readonly curve: readonly CurvePoint[];
  readonly saturation: Saturation;
  readonly steps: number;
  /** Time of the training steps only. */
  readonly seconds: number;
  /** SHA-256 over all trainable state. */
  readonly checksum: string;
  /** SHA-256 over everything that determines the Program's results. */
  readonly program: string;
  readonly memory: MemoryTable;
}

/** The progress of a training run. */
export interface RunState {
  readonly checkpoint: Checkpoint;
  /** Accuracy and loss before the first step. */
  readonly before: { readonly accuracy: number; readonly loss: number };
  readonly curve: readonly CurvePoint[];
  /** Sums over the steps since the last point of the curve. */
  readonly open: Required<TrainingResult>;
  readonly seconds: number;
}

/** A state as stored in a file. */
export interface StoredState extends Omit<RunState, 'checkpoint'> {
  /** SHA-256 of the record of the run to which the state belongs. */
  readonly run: string;
  /** The trainable state in base64, steps done, saturated elements by step of the Program. */
  readonly checkpoint: { readonly state: string; readonly steps: number; readonly saturated: readonly number[] };
}

const real = v.pipe(v.number(), v.finite());
const share = v.pipe(real, v.minValue(0), v.maxValue(1));
const seconds = v.pipe(real, v.minValue(0));
const strings = v.array(v.string());
const curve = v.array(v.object({ step: count, loss: real, accuracy: share }));

const rate = v.pipe(real, v.gtValue(0), v.maxValue(mostRate));
const rates = v.object({ head: rate, backbone: rate });

/** Schema of a plan that was read from a file. */
export const planSchema: v.GenericSchema<unknown, TrainPlan> = v.object({
  steps: v.pipe(count, v.minValue(1)),
  lr: rate,
  lrHead: rate,
  seed: count,
  augment: v.object({ flip: v.boolean(), shift: count }),
});

/** Schema of a state that was read from a file. */
export const stateSchema: v.GenericSchema<unknown, StoredState> = v.object({
  run: sha256,
  checkpoint: v.object({ state: v.pipe(v.string(), v.base64()), steps: count, saturated: v.array(count) }),
  before: v.object({ accuracy: share, loss: real }),
  curve,
  open: v.object({ steps: count, loss: real, correct: count }),
  seconds,
});

/** Schema of a result that was read from a file. */
export const resultSchema: v.GenericSchema<unknown, TrainResult> = v.object({
  model: v.object({ name: v.string(), path: v.string(), hash: sha256, input: v.array(count) }),
  data: v.object({ source: v.string(), classes: strings, train: count, test: count, skipped: strings }),
  scheme: v.string(),
  residualBits: count,
  seed: count,
  rates,
  accuracy: v.object({ before: share, after: share, samples: count }),
  loss: v.object({ before: real, after: real }),
  curve,
  saturation: v.object({ total: count, steps: v.array(v.object({ label: v.string(), count })) }),
  steps: count,
  seconds,
  checksum: sha256,
  program: sha256,
  memory: memoryTable,
});
