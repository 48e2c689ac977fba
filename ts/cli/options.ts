import type { Options } from 'yargs';
import { TinytrainError } from '../errors.js';
import { options as all, type Option } from '../options.js';

/** The options of a command, by their names on the command line. */
export type CommandOptions = Readonly<Record<string, Option<unknown>>>;

const { task, model, data, scheme, input, mean, std, target, budget, flash, feed, replay, head, map, seed, threads } =
  all;
const { resize, camera, crop, window, hop, front, skipBad, overwrite, json, timeout, baud, port, firmware } = all;

const modelOptions = { input, mean, std };
const samples = { seed, threads, resize, camera, crop, window, hop, front, 'skip-bad': skipBad };

/** What a command that compiles a Program takes. */
const program = {
  task,
  model,
  data,
  scheme,
  ...modelOptions,
  target,
  budget,
  flash,
  feed,
  'residual-bits': all.residualBits,
  head,
  map,
  ...samples,
};
const { scheme: _scheme, head: _head, map: _map, ...searched } = program;
const { data: _data, map: _mapOfUsers, ...ofUsers } = program;
const board = { port, baud, timeout, firmware, json };

/** Every option of every command. */
export const commandOptions = {
  demo: {
    ...program,
    scheme: all.schemeOfDemo,
    target: all.targetOfDemo,
    budget: all.budgetOfDemo,
    minutes: all.minutes,
    'device-steps': all.deviceSteps,
    out: all.demoOut,
    json,
  },
  inspect: {
    task,
    ...modelOptions,
    data: all.samplesOfModel,
    ...samples,
    ops: all.ops,
    stage: all.stage,
    scheme: all.schemeToShow,
    classes: all.classes,
    target: all.targetToShow,
    feed: all.feedToShow,
    layers: all.layers,
    json,
  },
  search: {
    ...searched,
    budget: all.budgets,
    'residual-bits': all.bitsOfSearch,
    'max-instructions': all.maxInstructions,
    'max-ms': all.maxMilliseconds,
    costs: all.costsFile,
    criterion: all.criterion,
    seeds: all.runsPerScheme,
    'trial-steps': all.trialSteps,
    'proof-steps': all.proofSteps,
    lr: all.lrOfSearch,
    workers: all.workers,
    time: all.time,
    'cache-memory': all.cacheBytes,
    'verify-device': all.verifyDevice,
    out: all.searchOut,
    from: all.fromForSearch,
    resume: all.resumeSearch,
    watch: all.watch,
    csv: all.schemesCsv,
    overwrite,
    json,
  },
  worker: { redis: all.redis, threads: all.threadsOfWorker, 'cache-memory': all.cacheBytes, json },
  train: {
    ...program,
    replay,
    seed: all.seeds,
    epochs: all.epochs,
    steps: all.steps,
    lr: all.lr,
    'lr-head': all.lrHead,
    balance: all.balance,
    'replay-steps': all.replaySteps,
    keep: all.keep,
    augment: all.augment,
    out: all.runOut,
    from: all.from,
    resume: all.resumeRun,
    checkpoint: all.checkpointSeconds,
    watch: all.watch,
    csv: all.curveCsv,
    overwrite,
    json,
  },
  personalise: {
    ...ofUsers,
    replay,
    threads: all.threadsOfUsers,
    epochs: all.epochs,
    steps: all.steps,
    lr: all.lr,
    'lr-head': all.lrHead,
    balance: all.balance,
    'replay-steps': all.replaySteps,
    keep: all.keep,
    augment: all.augment,
    'with-firmware': all.withFirmware,
    workers: all.workersOfUsers,
    out: all.usersOut,
    json,
  },
  predict: { top: all.top, json },
  compare: { json },
  report: { out: all.reportOut, overwrite, json },
  export: { tflite: all.tflite, npz: all.npz, model: all.modelOfRun, overwrite, json },
  quantise: {
    task,
    ...modelOptions,
    samples: all.calibrationSamples,
    out: all.quantisedOut,
    overwrite,
    data,
    ...samples,
    json,
  },
  compile: {
    ...program,
    replay,
    target: all.boardOfFirmware,
    run: all.runOfFirmware,
    store: all.store,
    'saves-per-day': all.savesPerDay,
    prefix: all.prefix,
    out: all.firmwareOut,
    json,
  },
  board: { check: all.checkTables, json },
  run: {
    steps: all.stepsOnDevice,
    predictions: all.predictions,
    lr: all.lrOnDevice,
    'lr-head': all.lrHeadOnDevice,
    port: all.portOrQemu,
    baud,
    timeout,
    line: all.line,
    calibrate: all.calibrate,
    json,
  },
  'device identify': board,
  'device check': board,
  'device predict': board,
  'device train': { ...board, steps: all.stepsOnBoard, lr: all.lrOnDevice, 'lr-head': all.lrHeadOnDevice },
  'device save': { ...board, overwrite },
  'device load': board,
  'device keep': board,
  'device flash': { port: all.portToFlash, json },
  doctor: { 'self-test': all.selfTest, json },
} satisfies Readonly<Record<string, CommandOptions>>;

/** The name of a command with options. */
export type CommandName = keyof typeof commandOptions;

function wrong(name: string, given: string, { kind }: Option<unknown>): TinytrainError {
  const expected = kind.written ?? kind.expected;
  return new TinytrainError('USAGE', `--${name} ${given}: expected ${expected}`, {
    option: name,
    value: given,
    expected,
  });
}

/** The value of an option as the parser found it: a text; a list of what was given several times; something else for `--no-NAME`. */
function readValue(name: string, option: Option<unknown>, given: unknown): unknown {
  if (Array.isArray(given)) {
    throw new TinytrainError('USAGE', `--${name} is given ${given.length} times`, { option: name, value: given });
  }
  const { alone } = option.kind;
  if (given === '' && alone !== undefined) return alone;
  const value = typeof given === 'string' ? option.kind.parse?.(given) : undefined;
  if (!option.kind.is(value)) throw wrong(name, String(given), option);
  return value;
}

/** An option for the parser. Its default is not told to the parser, which would take it for given; who needs it finds it in the table. */
function parsed(name: string, option: Option<unknown>): Options {
  const { kind, help, otherwise = option.default, required = false } = option;
  if (kind.flag) return { describe: help, type: 'boolean' };
  return {
    describe: kind.range === undefined ? help : `${help} (${kind.range})`,
    ...(kind.alone === undefined ? { requiresArg: true } : { type: 'string' as const }),
    coerce: given => readValue(name, option, given),
    ...(required && { demandOption: true }),
    ...(kind.choices && { choices: kind.choices }),
    ...(otherwise !== undefined && { defaultDescription: String(otherwise) }),
  };
}

/** The options of a command for the parser. */
export function optionsOf(command: CommandName): Record<string, Options> {
  const found: CommandOptions = commandOptions[command];
  return Object.fromEntries(Object.entries(found).map(([name, option]) => [name, parsed(name, option)]));
}

const flags = new Set(
  Object.values<CommandOptions>(commandOptions).flatMap(found =>
    Object.entries(found).flatMap(([name, { kind }]) => (kind.flag ? [name] : [])),
  ),
);

/** The options of a command besides those that are named. */
export function allBut(command: CommandName, names: readonly string[]): string[] {
  return Object.keys(commandOptions[command]).filter(name => !names.includes(name));
}

/** Sets the flags that are not given, once it is known which options exclude each other. */
export function setFlags(args: Record<string, unknown>): void {
  for (const name of flags) args[name] ??= false;
}

/** Throws for a flag with a value that is neither true nor false, which the parser would take for false. */
export function checkFlags(args: readonly string[]): void {
  for (const arg of args) {
    const [, name = '', value = ''] = /^--(?:no-)?([^=]+)=(.*)$/s.exec(arg) ?? [];
    if (!flags.has(name) || value === 'true' || value === 'false') continue;
    throw new TinytrainError('USAGE', `--${name} ${value}: expected nothing, or true or false`, {
      option: name,
      value,
    });
  }
}

/** Mean and standard deviation as options of a model. */
export function normalisationOf(args: { mean?: number[] | undefined; std?: number[] | undefined }) {
  return args.mean || args.std ? { mean: args.mean ?? [0], std: args.std ?? [1] } : undefined;
}
