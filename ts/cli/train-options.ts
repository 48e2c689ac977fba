import type { Augmentation, Keep } from '../train/types.js';
import { type ProgramArguments, programOptions } from './inputs.js';
import { augmentation, commonOptions, csvOption, positive, rate, seeds, whole } from './options.js';

/** The arguments of `train`. */
export interface Arguments extends Omit<ProgramArguments, 'seed'> {
  /** Several make one run each. */
  seed?: number | readonly number[];
  epochs?: number;
  steps?: number;
  lr?: number | 'auto';
  lrHead?: number | 'auto';
  balance: boolean;
  keep: Keep;
  augment?: Augmentation;
  out?: string;
  from?: string;
  resume?: string;
  checkpoint: number;
  csv?: string;
  json: boolean;
}

/** Options that decide the Program, which a run has. */
export const ofProgram = [
  'scheme',
  'residual-bits',
  'head',
  'map',
  'input',
  'mean',
  'std',
  'budget',
  'flash',
  'target',
  'feed',
] as const;

/** The options of `train`. */
export const trainOptions = {
  ...programOptions,
  seed: {
    ...programOptions.seed,
    describe:
      'seed of the head, of the order of samples and of the split; 1..5: a run with each, mean and standard error',
    coerce: seeds('seed'),
  },
  epochs: {
    describe: 'passes over the training images',
    type: 'string',
    requiresArg: true,
    coerce: positive('epochs'),
    defaultDescription: '2, and at least 1,000 steps',
  },
  steps: {
    describe: 'training steps, one image each',
    type: 'string',
    requiresArg: true,
    coerce: whole('steps', 1, 2 ** 32 - 1),
  },
  lr: {
    describe: 'peak learning rate, or auto: find it on images held back from training',
    type: 'string',
    requiresArg: true,
    coerce: rate('lr'),
    defaultDescription: 'auto',
  },
  'lr-head': {
    describe: 'peak learning rate of the head, or auto',
    type: 'string',
    requiresArg: true,
    coerce: rate('lr-head'),
    defaultDescription: 'that of --lr',
  },
  balance: {
    describe: 'draw all classes equally often, however many images each has',
    type: 'boolean',
    default: false,
  },
  keep: {
    describe:
      'best: end with the state that does best on the validation images, or without any with an earlier one if what was learned is lost; last: always with the last',
    choices: ['best', 'last'] as const,
    default: 'best' as const,
    requiresArg: true,
  },
  augment: {
    describe: 'flip, shift:PIXELS or both',
    type: 'string',
    requiresArg: true,
    coerce: augmentation,
    defaultDescription: 'off',
  },
  out: { describe: 'folder of the run', type: 'string', requiresArg: true, defaultDescription: 'runs/train-...' },
  from: {
    describe:
      'folder of a run to start from: with its images or those of --data, whose new classes are added to the head; model, scheme and memory stay as they were',
    type: 'string',
    requiresArg: true,
  },
  resume: {
    describe: 'folder of a run that was stopped, to be ended as it was begun; all other options stay as they were',
    type: 'string',
    requiresArg: true,
  },
  checkpoint: {
    describe: 'seconds between checkpoints',
    type: 'string',
    requiresArg: true,
    default: 10,
    coerce: whole('checkpoint', 0),
  },
  csv: csvOption('one row per point of the learning curve and per look at held-out images'),
  ...commonOptions,
} as const;

/** Options that are already fixed when a run is resumed. */
export const notWithResume: readonly string[] = [
  ...ofProgram,
  'from',
  'model',
  'data',
  'seed',
  'resize',
  'window',
  'hop',
  'epochs',
  'steps',
  'lr',
  'lr-head',
  'augment',
  'out',
];
