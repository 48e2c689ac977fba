import { allResidualBits, defaultResidualBits } from '../defaults.js';
import type { Criterion } from '../search/types.js';
import { type ProgramArguments, programOptions } from './inputs.js';
import { budgets, bytes, commonOptions, csvOption, instructions, positive, rate, time, whole } from './options.js';

/** The arguments of `search`. */
export interface Arguments extends Omit<ProgramArguments, 'scheme' | 'budget' | 'residual-bits' | 'head' | 'map'> {
  budget?: number[];
  'residual-bits': string;
  criterion: Criterion;
  seeds?: number;
  'trial-steps'?: number;
  'proof-steps'?: number;
  lr?: number | 'auto';
  'cache-memory'?: number;
  time?: number;
  'max-instructions'?: number;
  'max-ms'?: number;
  costs?: string;
  'verify-device': boolean;
  out?: string;
  from?: string;
  resume?: string;
  csv?: string;
  json: boolean;
}

const { scheme: _scheme, budget: _budget, 'residual-bits': _bits, head: _head, map: _map, ...shared } = programOptions;

/** The options of `search`. */
export const searchOptions = {
  budget: {
    describe: 'total SRAM that a scheme may need, such as 256k; several: 192k,224k,256k',
    type: 'string',
    requiresArg: true,
    coerce: budgets,
  },
  ...shared,
  'residual-bits': {
    describe: 'extra low-order bits kept per trained int8 weight; any: the search chooses',
    choices: [...allResidualBits.map(String), 'any'],
    default: String(defaultResidualBits),
    requiresArg: true,
  },
  'max-instructions': {
    describe: 'limit on the predicted instructions of a training step, such as 40M',
    type: 'string',
    requiresArg: true,
    coerce: instructions,
    defaultDescription: 'no limit',
  },
  'max-ms': {
    describe: 'limit on the likely milliseconds of a training step, as modelled for the clock of the board',
    type: 'string',
    requiresArg: true,
    coerce: positive('max-ms'),
    defaultDescription: 'no limit',
  },
  costs: {
    describe: 'cost table used to predict instructions and time (from `tinytrain run --calibrate FILE`)',
    type: 'string',
    requiresArg: true,
    defaultDescription: 'measured in QEMU',
  },
  criterion: {
    describe: 'measure of contributions; accuracy: as in the paper',
    choices: ['loss', 'accuracy'] as const,
    default: 'loss' as const,
    requiresArg: true,
  },
  seeds: {
    describe: 'number of runs per scheme in proof and test',
    type: 'string',
    requiresArg: true,
    coerce: whole('seeds', 1, 1000),
    defaultDescription: '3',
  },
  'trial-steps': {
    describe: 'training steps per run of the analysis',
    type: 'string',
    requiresArg: true,
    coerce: whole('trial-steps', 1, 2 ** 32 - 1),
    defaultDescription: 'by images and model',
  },
  'proof-steps': {
    describe: 'training steps per run of the proof',
    type: 'string',
    requiresArg: true,
    coerce: whole('proof-steps', 1, 2 ** 32 - 1),
    defaultDescription: 'by images and model',
  },
  lr: {
    describe: 'peak learning rate',
    type: 'string',
    requiresArg: true,
    coerce: rate('lr'),
    defaultDescription: 'auto: by the size of the features',
  },
  time: {
    describe: 'time limit, e.g. 10m; lists anything skipped',
    type: 'string',
    requiresArg: true,
    coerce: time('time'),
  },
  'cache-memory': {
    describe: 'memory limit of the activation cache',
    type: 'string',
    requiresArg: true,
    coerce: bytes('cache-memory'),
    defaultDescription: 'a quarter of the free memory',
  },
  'verify-device': {
    describe: 'link the found scheme and run it in QEMU',
    type: 'boolean',
    default: false,
  },
  out: {
    describe: 'folder of the search',
    type: 'string',
    requiresArg: true,
    defaultDescription: 'runs/search-...',
  },
  from: {
    describe:
      'folder of a run: search for the scheme with which to go on from what it has learned, with its classifier, images and limits unless others are given',
    type: 'string',
    requiresArg: true,
  },
  resume: {
    describe: 'folder of a search to continue; all other options stay as they were',
    type: 'string',
    requiresArg: true,
  },
  csv: csvOption('one row per scheme that was trained'),
  ...commonOptions,
} as const;

/** Options that are those of the run where a search goes on from one. */
export const notWithFrom: readonly string[] = ['input', 'mean', 'std'];

/** Options that are already fixed when a search is continued. */
export const notWithResume: readonly string[] = [
  'model',
  'data',
  'from',
  'input',
  'budget',
  'flash',
  'max-instructions',
  'max-ms',
  'costs',
  'target',
  'feed',
  'seeds',
  'trial-steps',
  'proof-steps',
  'lr',
  'out',
  'window',
  'hop',
];
