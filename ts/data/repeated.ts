import { thousands } from '../format.js';
import type { SampleSet } from './dataset.js';

/** What to say of test samples that are among the training samples too; undefined if there are none. */
export function repeatedText({ repeated, test }: Pick<SampleSet, 'repeated' | 'test'>): string | undefined {
  if (!repeated?.first) return undefined;
  const { count, first } = repeated;
  const are = count === 1 ? 'test sample is' : 'test samples are';
  return `${thousands(count)} of ${thousands(test.size)} ${are} among the training samples too, such as ${first.test} = ${first.train}: the accuracy counts what was learned by heart`;
}
