import type { Augmentation } from '../options.js';
import type { Keep } from '../train/types.js';
import type { ProgramArguments } from './inputs.js';

/** The arguments of `train`. */
export interface Arguments extends Omit<ProgramArguments, 'seed'> {
  /** Several make one run each. */
  seed?: number | readonly number[];
  epochs?: number;
  steps?: number;
  lr?: number | 'auto';
  lrHead?: number | 'auto';
  balance: boolean;
  'replay-steps'?: number;
  keep?: Keep;
  augment?: Augmentation;
  out?: string;
  from?: string;
  resume?: string;
  checkpoint?: number;
  watch?: number;
  csv?: string;
  overwrite: boolean;
  json: boolean;
}

/** Options that decide the Program, which a run has. */
export const ofProgram = [
  'task',
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
  'replay',
] as const;

/** Options that are not yet fixed when a run is resumed. */
export const withResume: readonly string[] = ['resume', 'threads', 'checkpoint', 'watch', 'csv', 'overwrite', 'json'];
