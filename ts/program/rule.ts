import { type Dataset, spread } from '../data/dataset.js';
import { native, type Watch, watched } from '../native.js';
import type { Program } from './program.js';

/** Samples with which the features are measured. */
const POWER_SAMPLES = 64;
/** The rate in the unit of the features that suits most models: a step of the head then moves the logits of its sample by twice their error. */
const RULE = 2;

/** Samples at even distances, so that all classes are among them. */
export function evenly(set: Dataset, count: number): Dataset {
  if (count >= set.size) return set;
  return set.subset(spread(set.size, count));
}

/**
 * The learning rate by rule, `2 / mean(1 + |f|^2)` over some training samples, `f` being the features that the head reads. It is one for head and backbone,
 * and for all schemes of a model.
 */
export async function ruledRate(
  program: Program,
  train: Dataset,
  threads: number,
  { signal }: Pick<Watch, 'signal'> = {},
): Promise<number> {
  const some = evenly(train, POWER_SAMPLES);
  const power = await watched(control => native().featurePower(program.handle, some.handle, threads, control), {
    signal,
  });
  return RULE / power;
}
