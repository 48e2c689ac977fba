import { freeMemory } from '#host';
import {
  allResidualBits,
  defaultRate,
  defaultResidualBits,
  feeds,
  headStarts,
  mostCacheBytes,
  resizePolicies,
  tasks,
} from './defaults.js';
import { TinytrainError } from './errors.js';
import * as k from './kinds.js';

/** An option of the library, of commands, or of both: what it may be, what it is for, and what it is if nobody says. */
export interface Option<T> {
  readonly kind: k.Kind<T>;
  /** What it is for, in a line of help. */
  readonly help: string;
  /** What it is if it is not given. */
  readonly default?: T;
  /** The same in words, where that is no fixed value. */
  readonly otherwise?: string;
  /** Whether a command cannot do without it. */
  readonly required?: boolean;
}

/** The options that something takes, by name: all of them, so that none goes unchecked. */
export type OptionTable<T> = { readonly [K in keyof T]-?: Option<Exclude<T[K], undefined>> };

function option<T>(kind: k.Kind<T>, help: string, otherwise?: string): Option<T> {
  return { kind, help, ...(otherwise !== undefined && { otherwise }) };
}

function withDefault<T>(kind: k.Kind<T>, fixed: T, help: string): Option<T> & { readonly default: T } {
  return { kind, help, default: fixed };
}

/** Counters have 32 bits. */
const steps = k.whole(1, 2 ** 32 - 1);
const some = k.whole(0, 2 ** 32 - 1);
/** The number of a class, and a place in an image. */
const short = k.whole(0, 2 ** 16 - 1);
const side = k.whole(1, 2 ** 16 - 1);

/**
 * A learning rate. A head whose features are small needs rates above 1. The lowest that is accepted changes nothing that a device could see, and stays one that it
 * takes through warm-up and decay.
 */
export const rate: k.Kind<number> = k.real({ from: 1e-9, to: 64 });
const rateOrAuto = k.orWord(rate, 'auto');

const numbers = k.list(k.real({}), '124,116,104');
const deviations = k.list(k.real({ above: 0 }), '58,57,57');

const inputSize: k.Kind<{ readonly height: number; readonly width: number }> = {
  ...k.object('height and width of at least 1', { height: side, width: side }, ['height', 'width']),
  written: 'rows x columns, such as 128x128',
  parse(given) {
    const [, height, width = height] = /^(\d+)(?:x(\d+))?$/.exec(given) ?? [];
    return { height: Number(height), width: Number(width) };
  },
};

/** The size of a camera's frames in pixels. */
export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
}

/** A part of a frame, in the middle if it is not said where it begins. */
export interface Crop extends FrameSize {
  readonly left?: number | undefined;
  readonly top?: number | undefined;
}

const frame: k.Kind<FrameSize> = {
  ...k.object('columns and rows of at least 1', { columns: side, rows: side }, ['columns', 'rows']),
  written: 'columns x rows, such as 320x240',
  parse(given) {
    const [, columns, rows] = /^(\d+)x(\d+)$/.exec(given) ?? [];
    return { columns: Number(columns), rows: Number(rows) };
  },
};

const partOfFrame: k.Kind<Crop> = {
  ...k.object<Crop>(
    'columns and rows of at least 1, and where they begin: { columns: 240, rows: 240, left: 40, top: 0 }',
    { columns: side, rows: side, left: short, top: short },
    ['columns', 'rows'],
  ),
  written: 'columns x rows, in the middle unless the first column and row follow, such as 240x240 or 240x240+40+0',
  parse(given) {
    const [, columns, rows, left, top] = /^(\d+)x(\d+)(?:\+(\d+)\+(\d+))?$/.exec(given) ?? [];
    const size = { columns: Number(columns), rows: Number(rows) };
    return left === undefined ? size : { ...size, left: Number(left), top: Number(top) };
  },
};

/** How training samples are changed at random. */
export interface Augmentation {
  /** Mirrors an image with probability 1/2; not for series. */
  readonly flip?: boolean | undefined;
  /**
   * Shifts an image by up to this number of pixels in each direction; pixels moved in are the zero point. Shifts a series by up to this number of rows, continued
   * with its first or last one.
   */
  readonly shift?: number | undefined;
  /** Adds noise of this standard deviation, in steps of int8. */
  readonly noise?: number | undefined;
  /** Takes a random part of an image, at least this share of its area (0.08 as the paper does), and enlarges it to the whole; not for series. */
  readonly crop?: number | undefined;
  /** Multiplies brightness, contrast and saturation of an image by random factors that differ from 1 by up to this; not for series. */
  readonly jitter?: number | undefined;
}

const share = k.real({ from: 0, to: 1 });

const augmentation: k.Kind<Augmentation> = {
  ...k.object<Augmentation>(
    'an object such as { flip: true, crop: 0.08, jitter: 0.4, shift: 4, noise: 2 }, crop and jitter from 0 to 1, shift at most 65535, noise at most 255',
    { flip: k.flag, shift: short, noise: k.real({ from: 0, to: 255 }), crop: share, jitter: share },
  ),
  written:
    'flip, crop:S, jitter:S, shift:N, noise:X or several, such as flip,shift:4; S from 0 to 1, N at most 65535, X at most 255',
  parse(given) {
    const parts = given.split(',').map(part => {
      const [, name, value] = /^(crop|jitter|shift|noise):(\d+(?:\.\d+)?)$/.exec(part) ?? [];
      return name === undefined ? [part, part === 'flip' || undefined] : [name, Number(value)];
    });
    // What is no part of it is kept, undefined or twice, so that nothing is passed over.
    return new Set(parts.map(([name]) => name)).size === parts.length && parts.every(([, value]) => value !== undefined)
      ? Object.fromEntries(parts)
      : undefined;
  },
};

/** The frames and channels of the features of a sound. */
interface Frames {
  /** Values of the sound a second. */
  readonly rate: number;
  /** Milliseconds of a frame. */
  readonly window: number;
  /** Milliseconds from one frame to the next. */
  readonly stride: number;
  /** Features of a frame. */
  readonly channels: number;
  /** Where the first channel begins and the last one ends, in Hz. */
  readonly low: number;
  readonly high: number;
}

/** A log-mel spectrogram: see `mel` of `crates/spec`. */
export interface MelFront extends Frames {
  readonly kind: 'mel';
}

/** The features of TensorFlow Lite for Microcontrollers' micro front end, bit for bit: see `micro` of `crates/spec`. */
export interface MicroFront extends Frames {
  readonly kind: 'micro';
  /** Bits of the noise's fraction. */
  readonly smoothing: number;
  /** How much of a frame becomes noise: in channels 0, 2, 4 and so on, and in the others. */
  readonly even: number;
  readonly odd: number;
  /** How much of a signal remains at least when the noise is taken off. */
  readonly remaining: number;
  /** The strength of the gain control (PCAN), 0 for none; what it adds to the noise, and the bits of its fraction. */
  readonly pcan: number;
  readonly offset: number;
  readonly gain: number;
  /** A feature is a multiple of 1 / 2^scale of a natural logarithm. */
  readonly scale: number;
}

/** How a sound becomes rows of features. */
export type Front = MelFront | MicroFront;

/** A front end as far as it is given. */
type Given<T extends Front> = Pick<T, 'kind'> & { readonly [K in keyof Omit<T, 'kind'>]?: T[K] | undefined };
export type FrontOptions = Given<MelFront> | Given<MicroFront>;

const milliseconds = k.real({ above: 0, to: 10_000 });
const frameFields: k.Fields<Frames> = {
  rate: k.whole(1, 192_000),
  window: milliseconds,
  stride: milliseconds,
  channels: k.whole(1, 256),
  low: k.whole(0, 96_000),
  high: k.whole(1, 96_000),
};
const partOfAll = k.real({ from: 0, to: 1 });
const melFields: k.Fields<MelFront> = { kind: k.choice(['mel']), ...frameFields };
const microFields: k.Fields<MicroFront> = {
  kind: k.choice(['micro']),
  ...frameFields,
  smoothing: k.whole(0, 16),
  even: partOfAll,
  odd: partOfAll,
  remaining: partOfAll,
  pcan: partOfAll,
  offset: k.real({ above: 0, to: 2 ** 20 }),
  gain: k.whole(0, 30),
  scale: k.whole(0, 10),
};

const wholeFront: k.Kind<Front> = k.either(
  "an object such as { kind: 'mel', rate: 16000, window: 30, stride: 20, channels: 40, low: 125, high: 7500 }, with all that its kind has",
  k.object<MelFront>('', melFields, k.keys(melFields)),
  k.object<MicroFront>('', microFields, k.keys(microFields)),
);

const front: k.Kind<FrontOptions> = {
  ...k.either(
    "an object such as { kind: 'mel', channels: 40 }: kind (mel or micro), and any of rate, window, stride, channels, low and high; for micro also smoothing, even, odd, remaining, pcan, offset, gain and scale",
    k.object<Given<MelFront>>('', melFields, ['kind']),
    k.object<Given<MicroFront>>('', microFields, ['kind']),
  ),
  written:
    'mel or micro, or with :NAME=NUMBER,... of rate, window, stride, channels, low, high; micro also smoothing, even, odd, remaining, pcan, offset, gain, scale; such as mel:channels=40,window=30',
  parse(given) {
    const [, kind, rest] = /^(mel|micro)(?::(.+))?$/.exec(given) ?? [];
    const parts = (rest?.split(',') ?? []).map(part => /^([a-z]+)=(\d+(?:\.\d+)?)$/.exec(part) ?? ['', '', '']);
    const names = new Set(parts.map(([, name]) => name));
    if (kind === undefined || names.size < parts.length || names.has('') || names.has('kind')) return undefined;
    return { kind, ...Object.fromEntries(parts.map(([, name, value]) => [name, Number(value)])) };
  },
};

const classMap: k.Kind<Readonly<Record<string, number>>> = {
  expected: 'an object with numbers of classes, such as { background: 0, person: 1 }',
  written: 'CLASS=NUMBER,..., such as background=0,person=1',
  is: (value): value is Record<string, number> =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(short.is),
  parse(given) {
    const entries = given.split(',').map(part => /^(.+)=(\d{1,5})$/.exec(part.trim()));
    return entries.includes(null)
      ? undefined
      : Object.fromEntries(entries.map(found => [found?.[1], Number(found?.[2])]));
  },
};

/** The most seeds of one command. */
const MOST_SEEDS = 1000;

/** `3`, or `1..5` for each from 1 to 5. */
const seedOrSeeds: k.Kind<number | readonly number[]> = {
  expected: `one seed, or from the first to the last of at most ${MOST_SEEDS}, such as 1..5`,
  is: (value): value is number | readonly number[] =>
    k.whole(0).is(value) || (k.list(k.whole(0), '').is(value) && value.length <= MOST_SEEDS),
  parse(given) {
    const found = /^(\d+)\.\.(\d+)$/.exec(given);
    if (!found) return k.whole(0).parse?.(given);
    const [from, to] = [Number(found[1]), Number(found[2])];
    return Array.from({ length: Math.min(Math.max(0, to - from), MOST_SEEDS) + 1 }, (_, i) =>
      from > to ? -1 : from + i,
    );
  },
};

const shares: k.Kind<{ readonly validation: number; readonly test: number }> = k.object(
  'an object such as { validation: 0.1, test: 0.2 }, shares below 1',
  { validation: k.real({ from: 0, below: 1 }), test: k.real({ from: 0, below: 1 }) },
  ['validation', 'test'],
);

const normalisation: k.Kind<{ readonly mean: readonly number[]; readonly std: readonly number[] }> = k.object(
  'an object such as { mean: [127.5], std: [127.5] }, std above 0',
  { mean: numbers, std: deviations },
  ['mean', 'std'],
);

/**
 * Every option, once: what a command's help says, what it takes, and what the library takes. Where two commands mean different things by one name, there are two.
 */
export const options = {
  // What is trained, and what it has to fit into.
  task: withDefault(
    k.choice(tasks),
    tasks[0],
    'whose embedded model and drawn samples are taken where --model or --data are not given',
  ),
  model: option(
    k.text,
    'a .tflite, .onnx or .pkl file; a float one is quantised with the training samples',
    'the embedded one of --task',
  ),
  data: option(
    k.text,
    'a folder with one subfolder of images, .npy, .csv or .wav per class',
    'the drawn samples of --task',
  ),
  samplesOfModel: option(
    k.text,
    'training samples that a float model is quantised with',
    'none: its layers alone are shown',
  ),
  scheme: withDefault(k.text, 'head', 'what to train: head, bias:N, full, bias:N,LAYER:SHARE,... or a .json file'),
  input: option(inputSize, 'rows x columns of the input, for a .pkl', 'that of the model'),
  mean: option(numbers, 'mean of the input normalisation, in pixel values: real = (pixel - mean) / std', 'guessed'),
  std: option(deviations, 'standard deviation of the input normalisation, in pixel values', 'guessed'),
  pathOfBytes: option(k.text, 'the file that the bytes of a model are of, for messages and runs', 'model'),
  normalisation: option(normalisation, 'mean and standard deviation of the input normalisation', 'guessed'),
  target: option(
    k.text,
    'board whose memory it must fit into: its name, or the folder of your own board',
    'stm32f746 (reported, not enforced)',
  ),
  budget: option(k.bytes, 'SRAM it must fit into, such as 256k'),
  flash: option(k.bytes, 'flash it must fit into, such as 1m'),
  feed: withDefault(
    k.choice(feeds),
    'whole',
    'how samples come in: whole, or row by row as a camera delivers them, so that no memory for a whole one is needed',
  ),
  replay: withDefault(
    k.whole(0, 2 ** 16),
    0,
    'places of the replay buffer: samples that are kept in SRAM, behind the frozen layers, to be trained on again',
  ),
  residualBits: withDefault(
    k.choice(allResidualBits),
    defaultResidualBits,
    'extra low-order bits kept per trained int8 weight',
  ),
  head: withDefault(
    k.choice(headStarts),
    'auto',
    'what the head starts with: keep: the model’s own classes; fresh: random weights; auto: own where the names match or --map says so',
  ),
  map: option(classMap, 'which of the model’s own classes is which of yours, such as background=0,person=1'),
  seed: withDefault(k.whole(0), 0, 'seed of the head, of the order of samples and of the split'),
  threads: option(k.whole(1, 1024), 'number of threads (does not affect results)', 'one per core'),

  // Samples.
  resize: withDefault(k.choice(resizePolicies), 'stretch', 'how to fit images of another size to the input'),
  camera: option(
    frame,
    'columns x rows of a camera’s frames, such as 320x240: all images are that, and become samples in integers, as firmware does it',
  ),
  crop: option(
    partOfFrame,
    'columns x rows + first column + first row of the part of a frame that is used, such as 240x240+40+0',
    'all of it',
  ),
  window: option(
    k.whole(1, 2 ** 32 - 1),
    'rows of a sample, cut from each .npy, .csv or .wav',
    'each file is a sample',
  ),
  hop: option(k.whole(1, 2 ** 32 - 1), 'rows from one window to the next', 'as many as a window has'),
  front: option(
    front,
    'mel: sounds become log-mel spectrograms, in integers as firmware does it; mel:channels=40,window=30,stride=20,low=125,high=7500 says how, rate=16000 what a .npy or .csv does not; micro: the features of TFLM’s micro front end',
    'recordings are taken as they are',
  ),
  wholeFront: option(wholeFront, 'how sounds become spectrograms', 'recordings are taken as they are'),
  skipBad: withDefault(k.flag, false, 'skip samples that cannot be read, and list them'),
  shares: option(shares, 'shares of the split, if the folder has none', 'a fifth for the test'),
  memoryLimit: option(k.whole(0), 'most bytes of samples kept in memory', '1 GiB'),
  cacheFolder: option(k.text, 'folder of the cache of decoded samples', 'that of the user'),
  perClass: option(k.whole(1, 100_000), 'drawn images per class', '100 to train, 50 to test'),
  calibrationSamples: withDefault(steps, 128, 'training samples from which scales are found, at most'),

  // Training.
  seeds: option(
    seedOrSeeds,
    'seed of the head, of the order of samples and of the split; 1..5: a run with each, mean and standard error',
    '0',
  ),
  epochs: option(k.real({ above: 0, to: 1e6 }), 'passes over the training images', '2, and at least 1,000 steps'),
  steps: option(steps, 'training steps, one image each'),
  lr: option(rateOrAuto, 'peak learning rate, or auto: find it on images held back from training', 'auto'),
  lrHead: option(rateOrAuto, 'peak learning rate of the head, or auto', 'that of --lr'),
  balance: withDefault(k.flag, false, 'draw all classes equally often, however many images each has'),
  replaySteps: option(
    k.whole(0, 1000),
    'training steps on samples of the replay buffer behind each one on a new sample',
    '1 where it has some at the start, else 0',
  ),
  keep: withDefault(
    k.choice(['best', 'last']),
    'best',
    'best: end with the state that does best on the validation images, or without any with an earlier one if what was learned is lost; last: always with the last',
  ),
  augment: option(
    augmentation,
    'flip, crop:S (least share of the area), jitter:S (of brightness, contrast, saturation; these for images), shift:N (pixels, or rows of a series), noise:X (standard deviation, in steps of int8) or several',
    'off',
  ),
  cacheBytes: option(k.sizeOrNone, 'memory limit of the activation cache', 'a quarter of the free memory'),
  checkpointSeconds: withDefault(k.real({ from: 0, to: 1e9 }), 10, 'seconds between checkpoints'),
  runOut: option(k.text, 'folder of the run', 'runs/train-...'),
  from: option(
    k.text,
    'folder of a run to start from: with its images or those of --data, whose new classes are added to the head; model, scheme and memory stay as they were',
  ),
  resumeRun: option(
    k.text,
    'folder of a run that was stopped, to be ended as it was begun; all other options stay as they were',
  ),
  curveCsv: option(
    k.text,
    'also write a table as .csv: one row per point of the learning curve and per look at held-out images',
  ),

  // Search.
  budgets: option(
    k.list(k.bytes, '192k,224k,256k'),
    'total SRAM that a scheme may need, such as 256k; several: 192k,224k,256k',
  ),
  bitsOfSearch: withDefault(
    k.orWord(k.choice(allResidualBits), 'any'),
    defaultResidualBits,
    'extra low-order bits kept per trained int8 weight; any: the search chooses',
  ),
  maxInstructions: option(
    k.instructions,
    'limit on the predicted instructions of a training step, such as 40M',
    'no limit',
  ),
  maxMilliseconds: option(
    k.real({ above: 0 }),
    'limit on the likely milliseconds of a training step, as modelled for the clock of the board',
    'no limit',
  ),
  costsFile: option(
    k.text,
    'cost table used to predict instructions and time (from `tinytrain run --calibrate FILE`)',
    'measured in QEMU',
  ),
  criterion: withDefault(k.choice(['loss', 'accuracy']), 'loss', 'measure of contributions; accuracy: as in the paper'),
  runsPerScheme: withDefault(k.whole(1, MOST_SEEDS), 3, 'number of runs per scheme in proof and test'),
  trialSteps: option(steps, 'training steps per run of the analysis', 'by images and model'),
  proofSteps: option(steps, 'training steps per run of the proof', 'by images and model'),
  heldBack: withDefault(k.real({ above: 0, below: 1 }), 0.2, 'share of the training samples that is held back'),
  lrOfSearch: option(rateOrAuto, 'peak learning rate', 'auto: by the size of the features'),
  workers: option(
    k.redisUrl,
    'have the training runs made by `tinytrain worker` on any machines, which meet at this Redis server',
    'threads of this process',
  ),
  workersOfUsers: option(
    k.redisUrl,
    'have the users’ runs made by `tinytrain worker` on any machines, which meet at this Redis server',
    'threads of this process',
  ),
  usersOut: option(
    k.text,
    'folder of all results; one that has some of the same command goes on',
    'runs/personalise-...',
  ),
  withFirmware: withDefault(k.flag, false, 'also write the firmware of each user, which starts with what was learned'),
  threadsOfUsers: option(k.whole(1, 1024), 'number of users at a time (does not affect results)', 'one per core'),
  threadsOfWorker: option(k.whole(1, 1024), 'number of jobs at a time', 'one per core'),
  redis: { ...option(k.redisUrl, 'the Redis server where work is asked for'), required: true },
  time: option(k.time, 'time limit, e.g. 10m; lists anything skipped'),
  verifyDevice: withDefault(k.flag, false, 'link the found scheme and run it in QEMU'),
  searchOut: option(k.text, 'folder of the search', 'runs/search-...'),
  fromForSearch: option(
    k.text,
    'folder of a run: search for the scheme with which to go on from what it has learned, with its classifier, images and limits unless others are given',
  ),
  resumeSearch: option(k.text, 'folder of a search to continue; all other options stay as they were'),
  resume: withDefault(k.flag, false, 'continue the search in the folder'),
  schemesCsv: option(k.text, 'also write a table as .csv: one row per scheme that was trained'),

  // The demo.
  schemeOfDemo: option(
    k.text,
    'what to train: head, bias:N, full, bias:N,LAYER:SHARE,... or a .json file',
    'for an embedded model, what a search finds',
  ),
  targetOfDemo: withDefault(k.text, 'stm32f746', 'the board: its name, or the folder of your own board'),
  budgetOfDemo: withDefault(k.bytes, 256 * 1024, 'SRAM it must fit into, such as 256k'),
  minutes: withDefault(
    k.whole(1, 1000),
    10,
    'minutes of the board: it takes as many steps as the likely time of a step allows',
  ),
  deviceSteps: withDefault(
    k.orWord(some, 'all'),
    200,
    'first steps that the firmware repeats in QEMU, compared bit by bit; all: every step',
  ),
  demoOut: option(k.text, 'folder of the results', 'runs/demo-...'),

  // Looking at models.
  ops: withDefault(k.flag, false, 'list the operators that a .tflite may contain'),
  stage: option(k.text, 'print the graph after a pass: import, head, fold, autodiff, prune, fuse, gather or schedule'),
  schemeToShow: withDefault(
    k.text,
    'head',
    'what to train, for instructions and time, and for the passes from prune on',
  ),
  classes: withDefault(k.whole(2, 1000), 10, 'number of classes of the head, for the same'),
  targetToShow: withDefault(
    k.text,
    'stm32f746',
    'board for instructions and time: its name, or the folder of your own board',
  ),
  feedToShow: withDefault(
    k.choice(feeds),
    'whole',
    'how samples come in on the device: whole or row by row, for the same',
  ),
  layers: withDefault(k.flag, false, 'instructions and time of every step of a training step, too'),

  // What goes on from a run.
  top: withDefault(k.whole(1, 1000), 3, 'number of classes to show per image'),
  tflite: option(k.text, 'an int8 .tflite for LiteRT; labels and normalisation are in its metadata'),
  npz: option(k.text, 'the weights as numpy arrays'),
  modelOfRun: option(k.text, 'the model’s file, if it is no longer where it was', 'where the run found it'),
  quantisedOut: option(k.text, 'the int8 .tflite', 'NAME.int8.tflite'),
  reportOut: withDefault(k.text, 'report.html', 'the file'),
  watch: option(k.ownPort, 'show it live in the browser, at a port of this machine alone'),
  overwrite: withDefault(k.flag, false, 'replace the file if there is one already'),
  json: withDefault(k.flag, false, 'print one JSON object on stdout and nothing else'),
  selfTest: withDefault(k.flag, false, 'compute what every machine must compute alike, and compare (a few seconds)'),

  // Firmware and boards.
  boardOfFirmware: option(
    k.text,
    'board whose memory it must fit into: its name, or the folder of your own board',
    'that of --run, or stm32f746',
  ),
  runOfFirmware: option(k.text, 'folder of a training run: the firmware starts with what it has learned so far'),
  prefix: option(
    k.textLike(/^(?=.{1,32}$)[a-z][a-z0-9_]*(?<!_)$/, "a small letter, then small letters, digits and '_', 32 at most"),
    'what the names of the model begin with in place of tt, so that several models fit into one image',
  ),
  store: withDefault(k.flag, false, 'keep what is learned in the flash of the board, proof against power cuts'),
  savesPerDay: withDefault(
    k.real({ above: 0 }),
    24,
    'how often it is saved, for the wear of the flash that is reported',
  ),
  firmwareOut: withDefault(k.text, 'firmware', 'folder of the firmware'),
  checkTables: withDefault(k.flag, false, 'only compare the tables in the folder with the compiler'),
  stepsOnDevice: withDefault(some, 20, 'training steps, one image each'),
  stepsOnBoard: withDefault(steps, 100, 'training steps, one image each'),
  scheduledSteps: option(
    steps,
    'steps for which the rates are scheduled, of which a run makes the first',
    'all that it makes',
  ),
  predictions: withDefault(some, 100, 'number of test images to predict after training'),
  lrOnDevice: withDefault(rate, defaultRate, 'peak learning rate'),
  lrHeadOnDevice: option(rate, 'peak learning rate of the head', 'that of --lr'),
  portOrQemu: option(k.text, 'serial port of a board, such as /dev/ttyACM0', 'QEMU'),
  port: { ...option(k.text, 'serial port of the board, such as /dev/ttyACM0'), required: true },
  portToFlash: option(
    k.textLike(/^[\w./:-]+$/, 'the name of a serial port'),
    'serial port, for a command of board.toml that uses one',
  ),
  baud: withDefault(k.whole(1200, 12_000_000), 115_200, 'bits per second of the port'),
  timeout: withDefault(k.whole(1, 3600), 60, 'seconds for which the device may be silent before it answers'),
  timeoutMs: withDefault(
    k.whole(1, 3_600_000),
    60_000,
    'milliseconds for which the device may be silent before it answers',
  ),
  line: withDefault(
    k.choice(['semihosting', 'uart', 'host']),
    'semihosting',
    'connection to QEMU; host: run the same sources on this computer, under sanitizers',
  ),
  lineOfQemu: option(
    k.choice(['semihosting', 'uart']),
    'connection to QEMU',
    'semihosting where the board has a mailbox',
  ),
  calibrate: option(
    k.text,
    'write a calibrated cost table to FILE: in QEMU by the instructions of each step, with --port by the cycle counter of the board',
  ),
  firmware: option(
    k.text,
    'folder of the firmware on the board, for the names of the classes; the board must hold its program',
    'none: classes are numbers',
  ),

  // Of the library alone.
  marks: withDefault(k.flag, false, 'record the ticks of every step: for measuring, no firmware'),
  signal: option(k.signal, 'stops the work'),
} as const;

/** A listener for the progress of work. */
export function progress<T>(): Option<T> {
  return option(k.listener<T>(), 'is told of the progress');
}

/** An option that only its own module can tell, such as an object of one of its classes. */
export function object<T>(help: string, expected: string, is: (value: object) => boolean): Option<T> {
  return option(k.instance<T>(expected, is), help);
}

/** Every name that an option of some function of the library has. */
const names = new Set<string>();

/** The options that a function of the library takes. */
export function optionTable<T>(table: OptionTable<T>): OptionTable<T> {
  for (const name of Object.keys(table)) names.add(name);
  return table;
}

/**
 * Throws `OPTION_INVALID` unless all options that are given are as their table says; the message names the first that is not, and what is expected. A name
 * that no function has is refused as well: it is mistyped. One that only others have passes, so that one object can serve several functions.
 */
export function checkOptions<T extends object>(table: OptionTable<T>, given: T): void {
  k.check(
    'options',
    k.instance<T>('an object', value => !Array.isArray(value)),
    given,
  );
  const unknown = Object.keys(given).find(name => !names.has(name));
  if (unknown !== undefined) {
    const those = Object.keys(table).join(', ');
    throw new TinytrainError('OPTION_INVALID', `${unknown} is no option; expected one of ${those}`, {
      option: unknown,
    });
  }
  for (const [name, { kind }] of Object.entries<Option<unknown>>(table)) {
    const value: unknown = Reflect.get(given, name);
    if (value !== undefined) k.check(name, kind, value);
  }
}

/** Size limit of the activation cache in bytes: the requested one, or a quarter of the free memory. */
export function cacheBytesOf(asked: number | undefined): number {
  return asked ?? Math.min(mostCacheBytes, freeMemory() / 4);
}
