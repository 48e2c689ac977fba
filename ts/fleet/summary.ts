import type { RunResult } from '../train/types.js';

/** What was made for one user. */
export interface Person {
  /** The name of the user's folder. */
  readonly user: string;
  readonly classes: readonly string[];
  /** Samples for training, and for the test. */
  readonly train: number;
  readonly test: number;
  /** Accuracy on the test samples, before and after training. */
  readonly before: number;
  readonly after: number;
  readonly steps: number;
  /** Codes of the warnings of the run. */
  readonly warnings: readonly string[];
  /** SHA-256 over all trainable state. */
  readonly checksum: string;
}

/** A user for whom nothing could be made, and why. */
export interface PersonFailed {
  readonly user: string;
  readonly code: string;
  readonly message: string;
}

/** The accuracy over all users. */
export interface Spread {
  readonly mean: number;
  readonly least: number;
  readonly most: number;
}

/** What was made for all of them. It is the same for any number of threads and workers, interrupted or not. */
export interface Summary {
  readonly users: number;
  readonly failed: readonly PersonFailed[];
  /** Over users with a result; null if there are none. */
  readonly accuracy: { readonly before: Spread; readonly after: Spread } | null;
  /** Users who have a lower accuracy after training than before. */
  readonly worse: number;
  readonly people: readonly Person[];
}

/** What a summary has of a run. */
export function summaryOf({ data, accuracy, steps, warnings, checksum }: RunResult): Omit<Person, 'user'> {
  const { classes, train, test } = data;
  const { before, after } = accuracy;
  return { classes, train, test, before, after, steps, warnings: warnings.map(({ code }) => code), checksum };
}

function spreadOf(values: readonly number[]): Spread {
  let [sum, least, most] = [0, 1, 0];
  for (const value of values) {
    sum += value;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return { mean: sum / values.length, least, most };
}

/** The summary, in the order of the users' names whatever order they ended in. */
export function summaryText(
  found: readonly Person[],
  lost: readonly PersonFailed[],
): { readonly content: Summary; readonly text: string } {
  const byName = <T extends { readonly user: string }>(list: readonly T[]) =>
    [...list].sort((a, b) => (a.user < b.user ? -1 : 1));
  const [people, failed] = [byName(found), byName(lost)];
  const accuracy =
    people.length === 0
      ? null
      : { before: spreadOf(people.map(one => one.before)), after: spreadOf(people.map(one => one.after)) };
  const worse = people.filter(({ before, after }) => after < before).length;
  const content = { users: people.length + failed.length, failed, accuracy, worse, people };
  return { content, text: `${JSON.stringify(content, null, 2)}\n` };
}
