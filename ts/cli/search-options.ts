import { allResidualBits, defaultRate, defaultResidualBits } from '../defaults.js';
import type { Criterion } from '../search/types.js';
import { type ProgramArguments, programOptions } from './inputs.js';
import { budgets, bytes, commonOptions, instructions, positive, time, whole } from './options.js';

/** The arguments of `search`. */
export interface Arguments extends Omit<ProgramArguments, 'scheme' | 'budget' | 'residual-bits'> {
  budget?: number[];
  'residual-bits': string;
  criterion: Criterion;
  seeds?: number;
  visits?: number;
  'proof-visits'?: number;
  lr?: number;
  'cache-memory'?: number;
  time?: number;
  'max-instructions'?: number;
  costs?: string;
  'verify-device': boolean;
  out?: string;
  resume?: string;
  json: boolean;
}

const { scheme: _scheme, budget: _budget, 'residual-bits': _bits, ...shared } = programOptions;

/** The options of `search`. */
export const searchOptions = {
  budget: {
    describe: 'SRAM that a scheme may need, all in, such as 256k; several: 192k,224k,256k',
    type: 'string',
    requiresArg: true,
    coerce: budgets,
  },
  ...shared,
  'residual-bits': {
    describe: 'bits beside a trained weight’s eight; any: the search chooses',
    choices: [...allResidualBits.map(String), 'any'],
    default: String(defaultResidualBits),
    requiresArg: true,
  },
  'max-instructions': {
    describe: 'instructions that a training step may take, as predicted, such as 40M',
    type: 'string',
    requiresArg: true,
    coerce: instructions,
    defaultDescription: 'any number',
  },
  costs: {
    describe: 'table that instructions are predicted by, of `tinytrain run --calibrate FILE`',
    type: 'string',
    requiresArg: true,
    defaultDescription: 'measured in QEMU',
  },
  criterion: {
    describe: 'what contributions are counted in; accuracy: as in the paper',
    choices: ['loss', 'accuracy'] as const,
    default: 'loss' as const,
    requiresArg: true,
  },
  seeds: {
    describe: 'runs of every scheme in proof and test',
    type: 'string',
    requiresArg: true,
    coerce: whole('seeds', 1, 1000),
    defaultDescription: '3',
  },
  visits: {
    describe: 'training steps of a run of the analysis',
    type: 'string',
    requiresArg: true,
    coerce: whole('visits', 1, 2 ** 32 - 1),
    defaultDescription: 'by images and model',
  },
  'proof-visits': {
    describe: 'training steps of a run of the proof',
    type: 'string',
    requiresArg: true,
    coerce: whole('proof-visits', 1, 2 ** 32 - 1),
    defaultDescription: 'by images and model',
  },
  lr: {
    describe: 'highest learning rate',
    type: 'string',
    requiresArg: true,
    coerce: positive('lr'),
    defaultDescription: String(defaultRate),
  },
  time: {
    describe: 'spend at most so long, such as 10m, and say what was left out',
    type: 'string',
    requiresArg: true,
    coerce: time('time'),
  },
  'cache-memory': {
    describe: 'memory for what frozen layers make of the images',
    type: 'string',
    requiresArg: true,
    coerce: bytes('cache-memory'),
    defaultDescription: 'a quarter of what is free',
  },
  'verify-device': {
    describe: 'link what was found and run it in QEMU',
    type: 'boolean',
    default: false,
  },
  out: {
    describe: 'folder of the search',
    type: 'string',
    requiresArg: true,
    defaultDescription: 'runs/search-...',
  },
  resume: {
    describe: 'folder of a search to go on with; everything else is as it was',
    type: 'string',
    requiresArg: true,
  },
  ...commonOptions,
} as const;

/** Options that a search which is continued has already. */
export const notWithResume: readonly string[] = [
  'model',
  'data',
  'input',
  'budget',
  'flash',
  'max-instructions',
  'costs',
  'target',
  'seeds',
  'visits',
  'proof-visits',
  'lr',
  'out',
];
