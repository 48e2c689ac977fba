import type { Dataset } from '../data/dataset.js';
import type { ClassAccuracy, Warning } from './types.js';

/** More samples of one class than of another by this factor are worth a warning. */
const IMBALANCE = 3;

/** How often samples of each class (rows) were taken for each class (columns). */
export function confusionOf(set: Dataset, predicted: ArrayLike<number>, classes: number): number[][] {
  const rows = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  for (const [i, label] of set.labels.entries()) {
    const row = rows[label];
    const column = predicted[i] ?? 0;
    if (row) row[column] = (row[column] ?? 0) + 1;
  }
  return rows;
}

/** The accuracy on the samples of each class, from the confusion matrix. */
export function accuracyByClass(confusion: readonly (readonly number[])[], names: readonly string[]): ClassAccuracy[] {
  return confusion.map((row, label) => {
    const samples = row.reduce((sum, count) => sum + count, 0);
    return { class: names[label] ?? '', samples, accuracy: samples === 0 ? 0 : (row[label] ?? 0) / samples };
  });
}

/** Number of samples of each class. */
export function countsOf({ labels }: Dataset, classes: number): number[] {
  const counts = Array.from({ length: classes }, () => 0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

/** The loss of a prediction that knows only how often each class occurs: below it a run has learned something. */
export function priorLoss(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.filter(count => count > 0).reduce((sum, count) => sum - (count / total) * Math.log(count / total), 0);
}

/** A warning if there are classes without training samples that nothing keeps from being forgotten. */
export function forgetting(counts: readonly number[], names: readonly string[], replaySteps: number): Warning[] {
  const absent = names.filter((_, label) => counts[label] === 0);
  if (absent.length === 0 || replaySteps > 0) return [];
  const message = `no training images of ${absent.join(', ')}: what was known of them will be forgotten; a run with \`--replay N\` keeps some of its images for those that go on from it`;
  return [{ code: 'FORGETTING', message }];
}

/** A warning if the training samples of the classes that have any are unbalanced and drawn as they are. */
export function imbalance(counts: readonly number[], names: readonly string[], balance: boolean): Warning[] {
  const some = counts.filter(count => count > 0);
  const [most, least] = [Math.max(...some), Math.min(...some)];
  if (balance || most <= IMBALANCE * least) return [];
  const name = (count: number) => names[counts.indexOf(count)] ?? '';
  const message = `${name(most)} has ${most} training images, ${name(least)} has ${least}: rare classes will be learned poorly; \`--balance\` draws all classes equally often`;
  return [{ code: 'IMBALANCE', message }];
}
