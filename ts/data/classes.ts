import type { Dataset, SampleSet } from './dataset.js';
import type { Listed, Parts, SampleSource } from './source.js';

/** The known classes in their order, followed by those of the data that are not among them. */
export function joinedClasses(known: readonly string[], found: readonly string[]): readonly string[] {
  return [...known, ...found.filter(name => !known.includes(name))];
}

function sameOrder(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}

/** The places of `names` in `classes`, which contain them all. */
function placesOf(names: readonly string[], classes: readonly string[]): (label: number) => number {
  const places = names.map(name => classes.indexOf(name));
  return label => places[label] ?? 0;
}

/** The same samples under another list of classes, which must contain theirs: labels follow the names. Nothing is copied. */
export function withClasses(set: SampleSet, classes: readonly string[]): SampleSet {
  if (sameOrder(set.classes, classes)) return set;
  const place = placesOf(set.classes, classes);
  const moved = (part: Dataset) => part.labelled(part.labels.map(place));
  const { train, validation, test } = set;
  return {
    ...set,
    classes,
    train: moved(train),
    test: moved(test),
    ...(validation && { validation: moved(validation) }),
  };
}

/** A source whose samples come under another list of classes, which must contain its own. */
export function sourceWithClasses(source: SampleSource, classes: readonly string[]): SampleSource {
  if (sameOrder(source.classes, classes)) return source;
  const place = placesOf(source.classes, classes);
  const moved = (part: readonly Listed[]) => part.map(({ name, label }) => ({ name, label: place(label) }));
  const { train, validation, test } = source.parts;
  const parts: Parts<readonly Listed[]> = {
    train: moved(train),
    ...(validation && { validation: moved(validation) }),
    test: moved(test),
  };
  return { ...source, classes, parts, read: async (...how) => withClasses(await source.read(...how), classes) };
}
