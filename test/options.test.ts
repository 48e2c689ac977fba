import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import test from 'ava';
import {
  type CompileOptions,
  Compiler,
  checkBudgets,
  checkFits,
  compile,
  type DefaultImageOptions,
  Device,
  type DeviceOptions,
  defaultImages,
  drawnGestures,
  drawnImages,
  type FloatModelOptions,
  firmwareFiles,
  flash,
  grow,
  type ImageOptions,
  imageFolder,
  loadFloatModel,
  loadImages,
  loadModel,
  type ModelOptions,
  type OpenBoardOptions,
  openBoard,
  type PersonaliseOptions,
  Predictor,
  personalise,
  type QemuOptions,
  type QuantiseOptions,
  quantised,
  type ReadOptions,
  type RunFirmwareOptions,
  runFirmware,
  type SearchOptions,
  type SeriesOptions,
  sampleFolder,
  search,
  seriesFolder,
  startQemu,
  TinytrainError,
  type TrainOptions,
  train,
  type WorkerOptions,
  workFor,
} from '#tinytrain';
import { main } from '#tinytrain/cli/cli.js';
import { type CommandOptions, commandOptions } from '#tinytrain/cli/options.js';
import { temporary, write } from './helpers/folder.js';
import { smallNet } from './helpers/onnx.js';

/** What a command line prints and how it ends, in this process. */
async function said(args: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const streams = { stdout: '', stderr: '' };
  const { stdout, stderr } = process;
  const [out, err] = [stdout.write, stderr.write];
  const into = (name: keyof typeof streams) => (text: string | Uint8Array) => {
    streams[name] += String(text);
    return true;
  };
  stdout.write = into('stdout');
  stderr.write = into('stderr');
  try {
    await main(args);
    return { code: process.exitCode, ...streams };
  } finally {
    [stdout.write, stderr.write] = [out, err];
    process.exitCode = 0;
  }
}

// What is none, by the name on the command line. Everything else is a text, of which nothing but its absence is wrong.
const counts = ['0', '-1', '1.5', 'x', 'NaN', 'Infinity', '1e400', '0x10', ' 5', '4294967296'];
const naturals = ['-1', '1.5', 'x', 'NaN', 'Infinity', '0x10', '9007199254740992'];
const rates = ['0', '-1', 'fast', 'NaN', 'Infinity', '1e-300', '65', '0x1'];
const sizes = ['0', '-1', '12 apples', '1g', 'NaN', '1e3', '0.1'];
const above = ['0', '-1', 'x', 'NaN', 'Infinity', '0x1'];
const urls = ['x', 'localhost:6379', 'http://localhost:6379', 'redis://', 'redis:///0', 'redis://a:b:c'];
const wrongTexts: Readonly<Record<string, readonly string[]>> = {
  task: ['sounds', 'Gestures'],
  input: ['big', '0', '0x128', '128x', '-1', '1.5', '70000', '1x2x3'],
  mean: ['x', '1,', ',', 'NaN', '1;2', 'Infinity'],
  std: ['x', '0', '-1', '1,0', 'NaN'],
  budget: sizes,
  flash: sizes,
  'cache-memory': ['-1', 'x', '1g', '1e3'],
  replay: [...naturals, '65537'],
  'replay-steps': [...naturals, '1001'],
  feed: ['columns', 'WHOLE', 'whole,rows'],
  'residual-bits': ['3', '-1', '16', 'NaN', '4.5', 'none'],
  head: ['keeps', 'Auto'],
  map: ['x', 'x=', '=', 'x=-1', 'x=1.5', 'x=70000', 'a=1,b'],
  seed: [...naturals, '5..1'],
  seeds: [...naturals, '0', '1001'],
  threads: ['0', '-1', '1.5', '20000', 'all', 'NaN'],
  resize: ['squeeze', 'Stretch'],
  camera: ['big', '0x10', '320', '320x', '320x240x3', '-1x5', '70000x1', '1.5x2'],
  crop: ['all', '0x10', '10x10+1', '10x10+1+', '10x10+-1+0', '10x10+70000+0', '1.5x2'],
  minutes: ['0', '-1', '1.5', '1001', 'x'],
  'device-steps': ['-1', '1.5', 'every', 'ALL', '4294967296'],
  window: counts,
  hop: counts,
  front: [
    'Mel',
    'mfcc',
    'mel:',
    'mel:channels',
    'mel:channels=0',
    'mel:channels=257',
    'mel:channels=4.5',
    'mel:window=0',
    'mel:rate=0',
    'mel:kind=mel',
    'mel:low=-1',
    'mel:high=1e3',
    'mel:low=1,low=2',
    'mel:tone=3',
    'mel:channels=40;low=1',
    'mel:__proto__=1',
    'mel:even=0.025',
    'micro:even=1.1',
    'micro:pcan=2',
    'micro:offset=0',
    'micro:gain=31',
    'micro:smoothing=17',
    'micro:scale=11',
    'micro:tone=3',
  ],
  samples: counts,
  epochs: [...above, '1e7'],
  steps: counts.filter(text => text !== '0'),
  predictions: counts.filter(text => text !== '0'),
  'trial-steps': counts,
  'proof-steps': counts,
  lr: rates,
  'lr-head': rates,
  keep: ['first', 'Best'],
  augment: [
    'rotate',
    'flip,',
    'shift',
    'shift:',
    'shift:-1',
    'shift:1.5',
    'shift:70000',
    'flip:2',
    'noise',
    'noise:-1',
    'noise:256',
    'noise:x',
    'crop',
    'crop:0,08',
    'crop:1.01',
    'crop:-0.1',
    'jitter:2',
    'crop:0.1,crop:0.2',
    'flip,flip',
    'shift:1,shift:2',
    '__proto__:1',
  ],
  checkpoint: ['-1', 'x', 'NaN', 'Infinity'],
  'max-instructions': ['0', '-1', '40T', 'x', 'NaN'],
  'max-ms': above,
  criterion: ['speed', 'Loss'],
  time: ['0', '-1', '10d', 'x', 'NaN', '1 h'],
  classes: ['1', '1001', '-1', '2.5', 'x'],
  top: ['0', '-1', '1.5', 'x', '1001'],
  prefix: ['1a', 'A', 'a-b', 'a_', 'a'.repeat(33), 'a b'],
  'saves-per-day': above,
  baud: ['0', '1199', 'fast', '1e9', '9600.5'],
  timeout: ['0', '3601', '1.5', 'x'],
  line: ['usb', 'UART'],
  watch: ['x', '-1', '1.5', '65536', 'localhost:80', 'NaN'],
  workers: urls,
  redis: urls,
};

/** What a command needs besides, so that nothing would begin if a wrong value were taken. */
function besides(command: string, options: CommandOptions, name: string): string[] {
  const positional = /personalise|predict|compare|report|export|quantise|run|board|train$|save|load/.test(command);
  const needed =
    command === 'train' || !positional
      ? []
      : command === 'predict' || command === 'compare'
        ? ['a', 'b']
        : ['/nowhere/x'];
  const given = (key: string, value: string) => (key in options && key !== name ? [`--${key}`, value] : []);
  const port = options['port']?.required ? given('port', '/nowhere/port') : [];
  const redis = options['redis']?.required ? given('redis', 'redis://127.0.0.1:1') : [];
  return [...needed, ...port, ...redis, ...given('model', '/nowhere/model')];
}

test.serial(
  'every option of every command: a wrong value ends with 2, names the option, and nothing begins',
  async t => {
    const seen = new Set<unknown>();
    let tried = 0;
    for (const [command, options] of Object.entries<CommandOptions>(commandOptions)) {
      for (const [name, option] of Object.entries(options)) {
        if (seen.has(option)) continue;
        seen.add(option);
        const base = [...command.split(' '), ...besides(command, options, name)];
        const { choices = [], flag } = option.kind;
        if (choices.length > 0 || option.kind.is(1) || option.kind.range !== undefined)
          t.true(name in wrongTexts, `--${name} of ${command}: what is wrong for it?`);
        const wrong = wrongTexts[name] ?? [];
        const cases = flag
          ? [[`--${name}=maybe`], [`--no-${name}=1`]]
          : [
              ...(option.kind.alone === undefined ? [[`--${name}=`], [`--${name}`]] : []),
              [`--no-${name}`],
              [`--${name}`, 'a', `--${name}`, 'b'],
              ...wrong.map(text => [`--${name}=${text}`]),
            ];
        for (const given of cases) {
          const { code, stdout, stderr } = await said([...base, ...given]);
          const what = [command, ...given].join(' ');
          t.is(code, 2, `${what}: ${stderr}`);
          t.is(stdout, '', what);
          t.true(stderr.includes(name), `${what}: ${stderr}`);
          tried++;
        }
      }
    }
    t.log(`${seen.size} options, ${tried} wrong values`);
  },
);

test.serial('the help of every command has every option, with its range, its values and its default', async t => {
  for (const [command, options] of Object.entries<CommandOptions>(commandOptions)) {
    const { stdout } = await said([...command.split(' '), '--help']);
    const text = stdout.replace(/\s+/g, ' ');
    for (const [name, { kind, help, default: fixed, otherwise = fixed }] of Object.entries(options)) {
      t.true(text.includes(`--${name} `), `${command}: ${name}`);
      const parts = [
        help,
        kind.range && `(${kind.range})`,
        !kind.flag && otherwise !== undefined && `[default: ${otherwise}]`,
      ];
      for (const part of parts)
        if (part) t.true(text.includes(part.replace(/\s+/g, ' ')), `${command} --${name}: ${part}`);
      for (const choice of kind.choices ?? []) t.true(text.includes(String(choice)), `${command} --${name}: ${choice}`);
    }
  }
});

test.serial('what excludes each other is told, also where it has a default', async t => {
  for (const args of [
    ['train', '--resume', 'x', '--seed', '0'],
    ['train', '--resume', 'x', '--keep', 'best'],
    ['train', '--resume', 'x', '--balance'],
    ['search', '--resume', 'x', '--residual-bits', '4'],
    ['search', '--resume', 'x', '--seed', '1'],
    ['train', '--from', 'x', '--feed', 'whole'],
    ['compile', '--run', 'x', '--skip-bad'],
    ['train', '--steps', '1', '--epochs', '1'],
  ]) {
    const { code, stderr } = await said(args);
    t.is(code, 2, args.join(' '));
    t.regex(stderr, /mutually exclusive/);
  }
});

/** Values that an option of the library cannot have, for each of its options. */
type Wrong<T> = { readonly [K in keyof T]-?: readonly unknown[] };

const none = [null, Symbol('x'), () => {}];
const count = [...none, Number.NaN, 0, -1, 1.5, '1', Number.POSITIVE_INFINITY, 2 ** 32, [], {}, true];
const natural = [...none, Number.NaN, -1, 1.5, '1', Number.POSITIVE_INFINITY, 2 ** 53, [], {}, true];
const size = [...none, Number.NaN, 0, -1, 1.5, '1k', Number.POSITIVE_INFINITY, [1]];
const rate = [...none, Number.NaN, 0, -1, '0.1', 'Auto', Number.POSITIVE_INFINITY, 1e-300, 65, [0.1]];
const yes = [...none, 0, 1, 'true', []];
const name = [...none, '', 7, [], {}, 'a\0b'];
const shape = [
  ...none,
  [],
  8,
  {},
  { height: 8 },
  { height: 0, width: 8 },
  { height: 8.5, width: 8 },
  { height: 8, width: '8' },
];
const norm = [
  ...none,
  {},
  { mean: [1] },
  { mean: 1, std: 1 },
  { mean: [1], std: [0] },
  { mean: [Number.NaN], std: [1] },
  { mean: [], std: [] },
];
const threads = [...count, 20_000];
const signal = [...none, 1, {}, new AbortController()];
const listener = [null, 1, {}, 'x'];
const one = (...choices: string[]) => [...none, '', 1, choices.map(text => text.toUpperCase())[0], choices];

const reading: Wrong<ReadOptions> = {
  threads,
  memoryLimit: natural,
  cacheFolder: name,
  only: [...none, 1, { train: 1 }],
  signal,
  onProgress: listener,
};
const frame = [...none, 1, '320x240', {}, { columns: 320 }, { columns: 0, rows: 240 }, { columns: 1.5, rows: 1 }];
const part = [...frame, { columns: 1, rows: 1, left: -1 }, { columns: 1, rows: 1, top: 70_000 }];
const folder = {
  resize: one('stretch'),
  camera: frame,
  crop: part,
  skipBad: yes,
  seed: natural,
  shares: [
    ...none,
    1,
    {},
    { test: 0.2 },
    { test: 1, validation: 0 },
    { test: -0.1, validation: 0 },
    { test: Number.NaN, validation: 0 },
  ],
};
const { resize: _resize, camera: _camera, crop: _crop, ...split } = folder;
const front = [
  ...none,
  1,
  'mel',
  {},
  { kind: 'mfcc' },
  { kind: 'mel', rate: 0 },
  { kind: 'mel', tone: 1 },
  { kind: 'mel', even: 0 },
  { kind: 'micro', even: 2 },
];
const series: Wrong<SeriesOptions> = { ...split, window: count, hop: count, front };
const limits = { budget: size, flash: size, target: name, feed: one('rows'), store: yes, replay: natural };
const start = {
  seed: natural,
  threads,
  head: one('keep'),
  map: [...none, 1, { a: -1 }, { a: 70_000 }, { a: '1' }],
  signal,
};
const compiling: Wrong<CompileOptions> = {
  ...limits,
  ...start,
  scheme: name,
  residualBits: [...none, Number.NaN, 3, -1, '4', [4]],
};
const training: Wrong<TrainOptions> = {
  steps: count,
  epochs: [...none, Number.NaN, 0, -1, '1', Number.POSITIVE_INFINITY, 1e9],
  lr: rate,
  lrHead: rate,
  balance: yes,
  replaySteps: natural,
  keep: one('best'),
  seed: natural,
  augment: [
    ...none,
    1,
    [],
    { shift: -1 },
    { shift: 1.5 },
    { flip: 1 },
    { rotate: 1 },
    { shift: Number.NaN },
    { noise: -1 },
    { noise: 256 },
    { noise: '1' },
    { crop: 1.5 },
    { crop: -0.1 },
    { crop: Number.NaN },
    { jitter: '0.4' },
    { jitter: 2 },
    { noise: Number.NaN },
  ],
  threads,
  cacheBytes: natural,
  run: [...none, 'runs/x', {}],
  checkpointSeconds: [...none, Number.NaN, -1, '1', Number.POSITIVE_INFINITY],
  signal,
  onProgress: listener,
  onCurve: listener,
};
const searching: Wrong<SearchOptions> = {
  budgets: [...none, [], 1, [0], [-1], [1.5], [Number.NaN], ['256k']],
  flash: size,
  maxInstructions: [...none, Number.NaN, 0, -1, '1', Number.POSITIVE_INFINITY],
  maxMilliseconds: [...none, Number.NaN, 0, -1, '1', Number.POSITIVE_INFINITY],
  costs: [...none, 1, {}, 'costs.json'],
  target: name,
  feed: one('rows'),
  residualBits: [...none, Number.NaN, 3, 'all'],
  criterion: one('loss'),
  seed: natural,
  seeds: [...count, 1001],
  trialSteps: count,
  proofSteps: count,
  heldBack: [...none, Number.NaN, 0, 1, -0.1, '0.2'],
  lr: rate,
  threads,
  cacheBytes: natural,
  workers: [...name, 'localhost:6379', 'http://localhost', 'redis://'],
  seconds: [...none, Number.NaN, 0, -1, '1', Number.POSITIVE_INFINITY],
  out: name,
  resume: yes,
  signal,
};
const {
  run: _run,
  checkpointSeconds: _seconds,
  cacheBytes: _bytes,
  onProgress: _told,
  onCurve: _drawn,
  ...plan
} = training;
const personalising: Wrong<PersonaliseOptions> = {
  ...{ ...compiling, ...folder, ...series, ...plan },
  ...{ normalisation: norm, out: name, withFirmware: yes, workers: searching.workers },
};
const working: Wrong<WorkerOptions> = { threads, cacheBytes: natural, onEvent: listener, signal };
const floats: Wrong<FloatModelOptions> = { input: shape, normalisation: norm };
const models: Wrong<ModelOptions> = { ...floats, path: name };
const talking: Wrong<DeviceOptions> = { timeoutMs: [...count, 1e9], signal };
const baud = [...none, Number.NaN, 0, 1199, -1, '9600', 1e9];
const opening: Wrong<OpenBoardOptions> = { ...talking, baud, firmware: name };
const running: Wrong<RunFirmwareOptions> = {
  ...{
    steps: count.filter(value => value !== 0),
    predictions: count.filter(value => value !== 0),
    lr: rate,
    lrHead: rate,
  },
  ...{ port: name, baud, timeoutMs: [...count, 1e9], line: one('uart'), calibrate: [...none, false, 1, {}] },
  ...{ signal, onProgress: listener },
};
const drawn = { seed: natural, trainPerClass: [...count, 1e6], testPerClass: count };
const drawing: Wrong<DefaultImageOptions> = { ...reading, ...drawn };
const loading: Wrong<ImageOptions> = { ...reading, ...folder };
const emulating: Wrong<QemuOptions> = { line: one('uart'), more: [...none, 1, 'x'] };
const quantising: Wrong<QuantiseOptions> = { ...reading, most: count, normalisation: norm };

test('every option of the library: a wrong value rejects at once, with a code, and names the option', async t => {
  const root = await temporary(t);
  await write(root, { 'net.onnx': smallNet(16) });
  const model = await loadModel();
  const data = await defaultImages(model.input, { trainPerClass: 3, testPerClass: 1 });
  const { classes } = data;
  const compiler = await Compiler.create(model, { classes });
  const program = await compile(model, data);
  const source = drawnImages({ trainPerClass: 2, testPerClass: 1 });
  const float = await loadFloatModel(join(root, 'net.onnx'));
  const silent = { write: async () => {}, onData() {}, onEnd() {}, close: async () => {}, name: 'silent' };
  // biome-ignore lint/suspicious/noExplicitAny: what is passed is wrong, as JavaScript allows it.
  type Call = (options: any) => unknown;
  const calls: readonly (readonly [string, Record<string, readonly unknown[]>, Call])[] = [
    ['compile', compiling, options => compile(model, data, options)],
    ['Compiler.create', { ...start, rows: [...none, 1] }, options => Compiler.create(model, data, options)],
    ['Compiler.compile', compiling, options => compiler.compile(options)],
    ['checkFits', compiling, options => checkFits(model, classes, options)],
    ['grow', { threads, signal }, options => grow(program, model, data, options)],
    ['train', training, options => train(program, data, { steps: 1, ...options })],
    ['search', searching, options => search(model, data, { budgets: [100_000], ...options }).next()],
    [
      'personalise',
      personalising,
      options => personalise(model, join(root, 'none'), { out: join(root, 'out'), ...options }).next(),
    ],
    ['workFor', working, options => workFor('redis://127.0.0.1:1', options)],
    ['checkBudgets', searching, options => checkBudgets(model, classes, { budgets: [100_000], ...options })],
    ['imageFolder', folder, options => imageFolder(root, options)],
    ['seriesFolder', series, options => seriesFolder(root, options)],
    ['sampleFolder', folder, options => sampleFolder(root, options)],
    ['loadImages', loading, options => loadImages(root, model.input, options)],
    ['drawnImages', drawn, options => drawnImages(options)],
    ['drawnGestures', drawn, options => drawnGestures(options)],
    ['defaultImages', drawing, options => defaultImages(model.input, options)],
    ['SampleSource.read', reading, options => source.read(model.input, options)],
    ['loadModel', models, options => loadModel(join(root, 'none'), options)],
    ['loadFloatModel', floats, options => loadFloatModel(join(root, 'none'), options)],
    ['FloatModel.quantise', { threads, signal }, options => float.quantise(data.train, options)],
    ['quantised', quantising, options => quantised(float, source, options)],
    [
      'firmwareFiles',
      { prefix: [...none, '', 'A', 'a_'], marks: yes },
      options => firmwareFiles(program, data, 'stm32f746', options),
    ],
    ['flash', { port: [...none, '', 'a;b', '$(x)'], signal }, options => flash(root, options)],
    ['openBoard', opening, options => openBoard(join(root, 'none'), options)],
    ['startQemu', emulating, options => startQemu(join(root, 'none'), { machine: 'none', icountShift: 0 }, options)],
    ['runFirmware', running, options => runFirmware(root, options)],
    ['new Device', talking, options => new Device(silent, options)],
    [
      'Predictor.of',
      {
        ...{ resize: one('cover'), camera: frame, crop: part, window: count, hop: count },
        front: [...front, { kind: 'mel' }],
      },
      options => Predictor.of(program, options),
    ],
    ['Predictor.predict', { signal, onProgress: listener }, options => Predictor.of(program).predict([], options)],
  ];
  let tried = 0;
  for (const [what, options, work] of calls) {
    for (const wrong of [null, 7, 'x', []]) {
      // These are given further options.
      if (['train', 'search', 'personalise', 'checkBudgets'].includes(what)) continue;
      await t.throwsAsync(
        async () => work(wrong),
        { code: 'OPTION_INVALID', message: /^options is / },
        `${what}: ${String(wrong)}`,
      );
    }
    const mistyped = `${Object.keys(options)[0]}_`;
    await t.throwsAsync(
      async () => work({ [mistyped]: undefined }),
      { code: 'OPTION_INVALID', message: new RegExp(`^${mistyped} is no option; expected one of `) },
      what,
    );
    for (const [option, values] of Object.entries(options)) {
      for (const value of values) {
        const error = await t.throwsAsync(
          async () => work({ [option]: value }),
          { instanceOf: TinytrainError },
          `${what} ${option} ${String(value)}`,
        );
        t.is(error?.code, 'OPTION_INVALID', `${what}: ${error?.message}`);
        t.is(error?.details['option'], option, `${what}: ${error?.message}`);
        tried++;
      }
    }
  }
  t.log(`${calls.length} functions, ${tried} wrong values`);
});

test('what is taken for a value of an option is what its text says', async t => {
  const { options } = await import('#tinytrain/options.js');
  const read = (option: keyof typeof options, text: string) => options[option].kind.parse?.(text);
  t.is(read('budget', '256k'), 262_144);
  t.is(read('budget', '1MiB'), 1_048_576);
  t.is(read('maxInstructions', '40M'), 40_000_000);
  t.is(read('time', '10m'), 600);
  t.deepEqual(read('input', '128x96'), { height: 128, width: 96 });
  t.deepEqual(read('input', '64'), { height: 64, width: 64 });
  t.deepEqual(read('augment', 'flip,shift:4'), { flip: true, shift: 4 });
  t.deepEqual(read('augment', 'shift:4,noise:1.5'), { shift: 4, noise: 1.5 });
  t.deepEqual(read('augment', 'crop:0.08,jitter:0.4,flip'), { crop: 0.08, jitter: 0.4, flip: true });
  t.deepEqual(read('map', 'a b=1, c=2'), { 'a b': 1, c: 2 });
  t.deepEqual(read('seeds', '1..3'), [1, 2, 3]);
  t.is(read('seeds', '7'), 7);
  t.deepEqual(read('budgets', '1k,2k'), [1024, 2048]);
  t.is(read('lr', 'auto'), 'auto');
  t.is(read('lr', '1e-3'), 0.001);
  const noise = Array.from({ length: 2000 }, () => randomBytes(6).toString('latin1'));
  for (const option of Object.values(options))
    for (const text of noise) t.notThrows(() => option.kind.is(option.kind.parse?.(text)));
});
