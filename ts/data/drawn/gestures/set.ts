import { createHash } from 'node:crypto';
import { aborted, TinytrainError } from '../../../errors.js';
import { checkOptions } from '../../../options.js';
import { Random } from '../../../random.js';
import type { InputFormat } from '../../input.js';
import type { WorkOptions } from '../../pool.js';
import { checkReading, readSamples } from '../../read.js';
import { feeding } from '../../series/feeding.js';
import { rawSample, sampleOf } from '../../series/folder.js';
import type { Table } from '../../series/rows.js';
import type { SampleSource } from '../../source.js';
import { type Split, splits } from '../../split.js';
import { type DrawnOptions, drawnOptions, listed } from '../set.js';
import { columns, recorded, type Sensor } from './motion.js';
import { digits, drawn, gestures, type Shape } from './shapes.js';

/** Incremented when drawing changes, so that gestures cached by an older version are not reused. */
const DRAWER = 1;

/** Gestures and the sensor that records them. */
export interface Occasion {
  readonly shapes: readonly Shape[];
  readonly sensor: Sensor;
  /** Keeps the random numbers of different ones apart. */
  readonly number: number;
}

const degrees = Math.PI / 180;

/** What the embedded network was trained on: digits, with a sensor held in the fingers like a pen, its axes those of the hand. */
export const held: Occasion = {
  shapes: digits,
  sensor: { rate: 60, turned: [0, 0, 0], loose: 5 * degrees, swing: 0.35, noise: [0.01, 0.5] },
  number: 0,
};

/** What a user has: other gestures, with a cheaper and slower sensor on the back of the wrist, where its axes point elsewhere and it turns less. */
export const worn: Occasion = {
  shapes: gestures,
  sensor: {
    rate: 40,
    turned: [70 * degrees, 25 * degrees, 110 * degrees],
    loose: 8 * degrees,
    swing: 0.2,
    noise: [0.04, 3],
  },
  number: 1,
};

/** One gesture as recorded in so many rows; it depends only on (occasion, seed, split, class, index). */
export function gesture(
  { shapes, sensor, number }: Occasion,
  [seed, split, label, index]: readonly [number, Split, number, number],
  rows: number,
): Table {
  const shape = shapes[label];
  if (shape === undefined) throw new RangeError(`class ${label} is not one of 0 to ${shapes.length - 1}`);
  const r = new Random(seed, number, splits.indexOf(split), label, index);
  return { rows, rowLength: columns, columns, values: recorded(drawn(shape, r), rows, sensor, r) };
}

/** The rows of an input that is nothing but rows of six values. Throws `INPUT_SHAPE` for others. */
function rowsOf({ height, width, channels }: InputFormat): number {
  const shape = [height, width, channels];
  const [rows = 0, values, ...others] = shape.filter(size => size > 1);
  if (rows >= 16 && values === columns && others.length === 0) return rows;
  throw new TinytrainError(
    'INPUT_SHAPE',
    `drawn gestures are at least 16 rows of ${columns} values; the model takes ${shape.join('x')}`,
    { shape, help: ['--task gestures alone takes the model that belongs to them'] },
  );
}

/** The drawn gestures of an occasion as a source of samples, in as many rows as a model takes. Nothing is drawn yet. */
export function gesturesOf(occasion: Occasion, options: DrawnOptions = {}): SampleSource {
  checkOptions(drawnOptions, options);
  const { seed = 1, trainPerClass = 100, testPerClass = 50 } = options;
  const origin = { kind: 'drawn', task: 'gestures', seed, trainPerClass, testPerClass } as const;
  const classes = occasion.shapes.map(({ name }) => name);
  const parts = { train: listed('train', trainPerClass, classes), test: listed('test', testPerClass, classes) };
  const source = { name: `default gestures (drawn, seed ${seed})`, origin, classes, parts };
  const tableAt = (split: Split, place: number, input: InputFormat): Table =>
    gesture(occasion, [seed, split, place % classes.length, Math.floor(place / classes.length)], rowsOf(input));
  const cutAt = (split: Split, place: number) => {
    const { name, label } = parts[split === 'train' ? split : 'test'][place] ?? { name: '', label: 0 };
    return { name, path: name, label, first: 0 };
  };
  const each = async (
    input: InputFormat,
    look: (table: Table, path: string) => void,
    { signal, onProgress }: WorkOptions,
  ) => {
    const total = parts.train.length;
    for (let i = 0; i < total; i++) {
      if (signal?.aborted) throw aborted('reading samples', signal);
      look(tableAt('train', i, input), cutAt('train', i).path);
      onProgress?.({ done: i + 1, total });
    }
  };
  return {
    ...source,
    ...feeding(() => {}, each),
    raw: async (split, place, input) => rawSample(tableAt(split, place, input), cutAt(split, place), input),
    async read(input, how = {}) {
      checkReading(how);
      const facts = ['gestures', DRAWER, occasion.number, rowsOf(input), input.series ?? [], origin];
      const key = createHash('sha256').update(JSON.stringify(facts)).digest('hex');
      const make = async (split: Split, place: number) =>
        sampleOf(tableAt(split, place, input), cutAt(split, place), input);
      const isBad = (_: unknown): _ is TinytrainError => false;
      return readSamples({ source, key, skipBad: false, make, isBad }, input, how);
    },
  };
}

/** The drawn gestures that the task `gestures` learns, as a source of samples. Nothing is drawn yet. */
export function drawnGestures(options: DrawnOptions = {}): SampleSource {
  return gesturesOf(worn, options);
}
