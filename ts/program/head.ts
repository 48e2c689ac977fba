import type { headStarts } from '../defaults.js';
import { TinytrainError } from '../errors.js';
import type { Model } from '../model/model.js';
import type { HeadRow } from '../native.js';

/** With what a head starts: `fresh` at random, `keep` with the model's own classes, `auto` with those of them that are known to be the user's. */
export type HeadStart = (typeof headStarts)[number];

/** Which of the model's own classes are the user's. */
export interface HeadChoice {
  /** `auto` by default. */
  readonly head?: HeadStart | undefined;
  /** For a class of the samples the number of the model's own class; where the model's file names its classes, equal names need no entry. */
  readonly map?: Readonly<Record<string, number>> | undefined;
}

function wrong(model: Model, message: string, help: readonly string[]): TinytrainError {
  return new TinytrainError('HEAD_UNKNOWN', `${model.path}: ${message}`, { path: model.path, help });
}

/** The number of the model's own class that is each of `classes`; null for one that the model does not have. */
function numbersOf(model: Model, classes: readonly string[], own: number, map: HeadChoice['map']): (number | null)[] {
  const stranger = Object.keys(map ?? {}).find(name => !classes.includes(name));
  if (stranger !== undefined) {
    const help = [`the classes are: ${classes.join(', ')}`];
    throw wrong(model, `--map names the class ${stranger}, which the images do not have`, help);
  }
  const { labels } = model.description;
  return classes.map(name => {
    const number = map?.[name] ?? labels.indexOf(name);
    if (number < own) return number < 0 ? null : number;
    throw wrong(model, `--map gives ${name} the number ${number}, but the model has ${own} classes`, [
      'its classes are counted from 0',
    ]);
  });
}

/**
 * What each of `classes` starts with in the head of a model: the model's own class of that name, or of the number that `map` gives; null for one that starts at random.
 * Throws `HEAD_UNKNOWN` for a map that does not fit, and if the model's own classes are to be kept, but none of them is known to be one of `classes`.
 */
export function startRows(model: Model, classes: readonly string[], choice: HeadChoice = {}): (HeadRow | null)[] {
  const { head = 'auto', map } = choice;
  if (head === 'fresh') return classes.map(() => null);
  const own = model.classifier();
  if (!own) {
    if (head === 'auto' && !map) return classes.map(() => null);
    throw wrong(model, 'the model has no classifier that could be kept', ['leave out --head and --map']);
  }
  const rows = numbersOf(model, classes, own.length, map).map(number =>
    number === null ? null : (own[number] ?? null),
  );
  if (head === 'keep' && rows.every(row => row === null)) {
    const { labels } = model.description;
    const known = labels.length > 0 ? `its classes are: ${labels.join(', ')}` : `it has ${own.length}, without names`;
    throw wrong(model, 'none of its own classes is known to be one of the images', [
      known,
      `say which is which: --map ${classes.map((name, i) => `${name}=${i}`).join(',')}`,
    ]);
  }
  return rows;
}
