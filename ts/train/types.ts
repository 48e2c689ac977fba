import * as v from 'valibot';
import { count, sha256 } from '../json.js';
import type { Checkpoint, TrainingResult } from '../native.js';
import { type MemoryTable, memoryTable } from '../program/memory.js';

/** Augmentation of training samples, a function of seed and step. */
export interface Augmentation {
  /** Mirrors every other sample, by chance. */
  readonly flip?: boolean | undefined;
  /** Shifts by up to so many pixels either way, filled with the zero point. */
  readonly shift?: number | undefined;
}

/** Everything that a training run depends on besides Program and data: with the same plan the same bits follow. */
export interface TrainPlan {
  /** Training steps, a sample each. */
  readonly steps: number;
  /** The highest learning rate: reached after a tenth of the steps, then falling to zero along half a cosine. */
  readonly lr: number;
  /** Seed of the order of samples and of augmentation. */
  readonly seed: number;
  readonly augment: { readonly flip: boolean; readonly shift: number };
}

/** A point of the learning curve: results of a stretch of training up to `step`, before each update. */
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

/** A state as a file holds it. */
export interface StoredState extends Omit<RunState, 'checkpoint'> {
  /** SHA-256 of the record of the run that the state belongs to. */
  readonly run: string;
  /** Every trainable byte in base64, steps done, saturated elements by step of the Program. */
  readonly checkpoint: { readonly state: string; readonly steps: number; readonly saturated: readonly number[] };
}

const real = v.pipe(v.number(), v.finite());
const share = v.pipe(real, v.minValue(0), v.maxValue(1));
const seconds = v.pipe(real, v.minValue(0));
const strings = v.array(v.string());
const curve = v.array(v.object({ step: count, loss: real, accuracy: share }));

/** The check of a plan that was read from a file. */
export const planSchema: v.GenericSchema<unknown, TrainPlan> = v.object({
  steps: v.pipe(count, v.minValue(1)),
  lr: v.pipe(real, v.gtValue(0), v.maxValue(1)),
  seed: count,
  augment: v.object({ flip: v.boolean(), shift: count }),
});

/** The check of a state that was read from a file. */
export const stateSchema: v.GenericSchema<unknown, StoredState> = v.object({
  run: sha256,
  checkpoint: v.object({ state: v.pipe(v.string(), v.base64()), steps: count, saturated: v.array(count) }),
  before: v.object({ accuracy: share, loss: real }),
  curve,
  open: v.object({ steps: count, loss: real, correct: count }),
  seconds,
});

/** The check of a result that was read from a file. */
export const resultSchema: v.GenericSchema<unknown, TrainResult> = v.object({
  model: v.object({ name: v.string(), path: v.string(), hash: sha256, input: v.array(count) }),
  data: v.object({ source: v.string(), classes: strings, train: count, test: count, skipped: strings }),
  scheme: v.string(),
  residualBits: count,
  seed: count,
  lr: real,
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
