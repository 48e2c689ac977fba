import type { Criterion } from '../search/types.js';
import type { ProgramArguments } from './inputs.js';

/** The arguments of `search`. */
export interface Arguments extends Omit<ProgramArguments, 'scheme' | 'budget' | 'residual-bits' | 'head' | 'map'> {
  budget?: number[];
  'residual-bits'?: number | 'any';
  criterion?: Criterion;
  seeds?: number;
  'trial-steps'?: number;
  'proof-steps'?: number;
  lr?: number | 'auto';
  'cache-memory'?: number;
  workers?: string;
  time?: number;
  'max-instructions'?: number;
  'max-ms'?: number;
  costs?: string;
  'verify-device': boolean;
  out?: string;
  from?: string;
  resume?: string;
  watch?: number;
  csv?: string;
  overwrite: boolean;
  json: boolean;
}

/** Options that are those of the run where a search goes on from one. */
export const notWithFrom: readonly string[] = ['task', 'input', 'mean', 'std'];

/** Options that are not yet fixed when a search is continued. */
export const withResume: readonly string[] = [
  'resume',
  'threads',
  'workers',
  'time',
  'cache-memory',
  'verify-device',
  'watch',
  'csv',
  'overwrite',
  'json',
];
