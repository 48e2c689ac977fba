// Makes crates/lower/src/targets.json: what the planner must know of compiled code without a compiler. A made-up program that calls every kernel is
// emitted and built for each board; from GCC's call graph and stack usage come the frame, the callees and the size of each function.
//
//   node scripts/device-tables.mjs            writes the table
//   node scripts/device-tables.mjs --check    says whether it is stale; needs the same compiler
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fail, read, root, run } from './lib/shell.mjs';

const dist = process.env.TINYTRAIN_DIST ?? `${root}/dist`;
const { emit } = await import(`${dist}/emit/emit.js`);
const { modelFrame } = await import(`${dist}/emit/build.js`);
const { deviceSources, kernelFlags } = await import(`${dist}/device/sources.js`);

const output = `${root}/crates/lower/src/targets.json`;
const boards = {
  stm32f746: { title: 'STM32F746xG', sram: 320 * 1024, flash: 1024 * 1024 },
  'qemu-mps2-an500': { title: "QEMU's mps2-an500", sram: 4096 * 1024, flash: 4096 * 1024 },
};
/** Calls through pointers, which the compiler's graph does not show. */
const indirect = { tt_save: ['write_part'], tt_load: ['read_part'] };
/** What a program fills in itself: functions whose calls and size follow from its steps. */
const generated = ['tt_forward', 'tt_backward', 'tt_scores', 'tt_error', 'tt_initial_state'];

const slot = (region, offset, bytes) => ({ region, offset, bytes });
const arena = (use, offset) => ({ [use]: slot('arena', offset, 64) });

/** Trainable tensors, one of each kind. */
const states = ['weights', 'residuals', 'biases', 'headWeights', 'headBiases'].map((kind, i) => ({
  name: `t_${kind}`,
  kind,
  layer: 0,
  offset: 64 * i,
  bytes: 64,
  init: 'bytes',
}));
const state = kind => ({ update: slot('state', states.find(s => s.kind === kind).offset, 64) });

const fields = type => {
  const header = readFileSync(`${root}/crates/kernels/c/tt_kernels.h`, 'utf8');
  const end = header.indexOf(`} ${type};`);
  const body = header.slice(header.lastIndexOf('{', end) + 1, end).replace(/\/\*.*?\*\//gs, '');
  return Object.fromEntries([...body.matchAll(/\w+(?=[,;])/g)].map(([name], i) => [name, i + 1]));
};

/** A step of every kernel with every argument present, arena places all far apart. */
function everyStep() {
  let place = 4096;
  const at = use => {
    place += 4104;
    return arena(use, place);
  };
  const real = { m: 1 << 30, e: 1 };
  const conv = { p: fields('tt_conv_params') };
  const u = fields('tt_update_params');
  const reads = n => Array.from({ length: n }, () => at('read'));
  const constants = [
    { const: 0 },
    state('weights'),
    { const: 1 },
    { const: 2 },
    state('biases'),
    { const: 2 },
    { const: 3 },
  ];
  const both = (name, more, args) =>
    [false, true].map(depthwise => ({ kernel: { name, depthwise, ...conv, ...more }, args: args() }));
  const plain = (name, type, n) => ({ kernel: { name, p: fields(type) }, args: reads(n) });
  const forward = [
    ...both('conv', {}, () => [at('read'), ...constants, at('write'), at('write'), at('scratch')]),
    plain('add', 'tt_add_params', 4),
    plain('requantize', 'tt_requantize_params', 3),
    plain('averagePool', 'tt_pool_params', 3),
    plain('maxPool', 'tt_pool_params', 3),
    plain('mean', 'tt_mean_params', 3),
    plain('softmax', 'tt_softmax_params', 2),
    plain('fill', 'tt_fill_params', 1),
    {
      kernel: { name: 'headLogits', p: fields('tt_head_params') },
      args: [at('read'), state('headWeights'), state('headBiases'), at('scratch')],
    },
    {
      kernel: { name: 'headError', classes: 10, scale: { cap: 1, pre: 0, m: 1, s: 1 } },
      args: [at('update'), at('write')],
    },
  ];
  const backward = [
    { kernel: { name: 'headInputGrad', p: fields('tt_head_params') }, args: [state('headWeights'), ...reads(2)] },
    {
      kernel: { name: 'headUpdate', p: fields('tt_head_params'), weight_q: real, bias_q: { m: 1 << 30, e: 2 } },
      args: [...reads(2), state('headWeights'), state('headBiases')],
    },
    ...both('convInputGrad', { shift: 300 }, () => [at('read'), ...constants.slice(0, 3), ...reads(2)]),
    ...both('convWeightStep', { u }, () => [
      ...reads(2),
      { const: 1 },
      { const: 4 },
      state('weights'),
      state('residuals'),
      at('scratch'),
    ]),
    ...[3, 4].map(e => ({
      kernel: { name: 'biasStep', pixels: 70000, channels: 300, u: { ...u, tensor: e }, layer: { m: 1 << 30, e } },
      args: [at('read'), { const: 4 }, { const: 2 }, state('biases')],
    })),
    {
      kernel: { name: 'gradScale', p: fields('tt_grad_scale_params') },
      args: [...reads(2), { const: 2 }, { const: 3 }, at('write')],
    },
    {
      kernel: { name: 'gradRepeat', p: fields('tt_grad_scale_params') },
      args: [...reads(2), { const: 2 }, { const: 3 }, at('write')],
    },
    plain('sum', 'tt_sum_params', 3),
    plain('copyBox', 'tt_copy_params', 2),
    plain('averagePoolGrad', 'tt_pool_params', 3),
    plain('maxPoolGrad', 'tt_pool_params', 4),
  ];
  const steps = [...forward, ...backward].map((step, i) => ({ label: `step ${i}`, ...step }));
  return { steps, forward: forward.length, arenaBytes: place + 4096 };
}

function everyProgram() {
  const { steps, forward, arenaBytes } = everyStep();
  const types = ['int8', 'uint16', 'int32', 'uint8', 'uint32'];
  const consts = types.map((type, i) => ({ name: `c${i}`, type, length: 16, bytes: 16 }));
  const stateBytes = 64 * states.length;
  const record = {
    ...{ format: 1, name: 'every', hash: '00'.repeat(32), classes: 10, residualBits: 4, seed: '18446744073709551615' },
    ...{ input: { offset: 0, bytes: 48, shape: [4, 4, 3], scale: 1, zero: 0 }, logits: slot('arena', 8192, 80) },
    ...{ steps, forward, arenaBytes, consts, states, stateBytes },
  };
  const data = { consts: consts.map(() => new Array(16).fill(1)), initialState: new Uint8Array(stateBytes).fill(1) };
  const memory = { items: [{ name: 'x', region: 'sram', bytes: 1 }], sram: { total: 1 }, flash: { total: 1 } };
  const tables = [0, 1, 2].map(c => new Int8Array(256).fill(c));
  return {
    record,
    data,
    memory,
    stack: 8192,
    pixelTables: tables,
    classNames: ['a'],
    target: 'stm32f746',
    origin: {},
    version: 'table',
  };
}

function files(folder, pattern) {
  return readdirSync(folder, { recursive: true })
    .map(name => join(folder, name))
    .filter(path => pattern.test(path) && statSync(path).isFile());
}

/** Bytes that a function of a library takes on the stack: everything it pushes or sets aside anywhere. */
function pushed(lines) {
  let bytes = 0;
  for (const line of lines) {
    const list = /\b(?:push|stmdb\s+sp!,|stmfd\s+sp!,)[\w.]*\s*\{(.*?)\}/.exec(line)?.[1];
    const registers = list?.split(',').reduce((n, part) => n + (part.includes('-') ? 8 : 1), 0) ?? 0;
    const single = /str(?:d)?(?:\.w)?\s.*\[sp, #-(\d+)\]!/.exec(line)?.[1] ?? 0;
    const reserved = /\bsub(?:\.w|w)?\s+sp,\s+(?:sp,\s+)?#(\d+)/.exec(line)?.[1] ?? 0;
    bytes += 4 * registers + Number(single) + Number(reserved);
  }
  return bytes;
}

/** Functions of libraries, from the linked program. */
function libraryFunctions(elf, known) {
  const sizes = symbolSizes(elf);
  const functions = {};
  for (const block of read('arm-none-eabi-objdump', ['-d', elf]).split(/\n(?=[0-9a-f]{8} <)/)) {
    const name = /^[0-9a-f]{8} <(\w+)>:/.exec(block)?.[1];
    if (name === undefined || known.has(name)) continue;
    const lines = block.split('\n').slice(1);
    const calls = [...block.matchAll(/\tbl?(?:\.w|\.n)?\t[0-9a-f]+ <(\w+)>/g)]
      .map(([, to]) => to)
      .filter(to => to !== name);
    const bytes = lines.filter(line => /^\s+[0-9a-f]+:/.test(line)).length * 4;
    functions[name] = {
      file: 'library',
      code: sizes.get(name) || bytes,
      stack: pushed(lines),
      calls: [...new Set(calls)].sort(),
    };
  }
  return functions;
}

function symbolSizes(file) {
  const lines = read('arm-none-eabi-nm', ['-S', '--defined-only', file]).split('\n');
  const found = lines.map(line => /^[0-9a-f]+ ([0-9a-f]+) [tTwW] (\S+)$/.exec(line)).filter(Boolean);
  return new Map(found.map(([, size, name]) => [name, Number.parseInt(size, 16)]));
}

/** The functions of one object, from the graph that the compiler wrote beside it. */
function objectFunctions(folder, ci) {
  const object = ci.replace(/\.ci$/, '.o');
  const file = relative(folder, object).replace(/\.o$/, '.c');
  const sizes = symbolSizes(object);
  const text = readFileSync(ci, 'utf8');
  const short = title => title.split(':').at(-1);
  const functions = {};
  for (const [, title, label] of text.matchAll(/node: \{ title: "([^"]+)" label: "([^"]+)"/g)) {
    const stack = /(\d+) bytes \((static|dynamic,bounded)\)/.exec(label);
    if (/bytes \(dynamic\)/.test(label)) fail(`${title} has a stack that is not known`);
    if (stack)
      functions[short(title)] = { file, code: sizes.get(short(title)) ?? 0, stack: Number(stack[1]), calls: [] };
  }
  for (const [, from, to] of text.matchAll(/edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"/g)) {
    const calls = functions[short(from)]?.calls;
    if (calls && short(to) !== '__indirect_call' && !calls.includes(short(to))) calls.push(short(to));
  }
  for (const [name, more] of Object.entries(indirect)) functions[name]?.calls.push(...more);
  return { file, functions, rodata: rodata(object) };
}

function rodata(object) {
  const lines = read('arm-none-eabi-size', ['-A', object]).split('\n');
  const sizes = lines.map(line => /^\.(?:rodata|vectors)\S*\s+(\d+)/.exec(line)?.[1]).filter(Boolean);
  return sizes.reduce((sum, size) => sum + Math.ceil(Number(size) / 8) * 8, 0);
}

/** Static functions of different files may share a name: names become `file:name` where they do not belong to one file alone. */
function qualified(objects) {
  const owners = new Map();
  for (const { file, functions } of objects) {
    for (const name of Object.keys(functions)) owners.set(name, [...(owners.get(name) ?? []), file]);
  }
  const key = (file, name) => ((owners.get(name)?.length ?? 0) > 1 ? `${file}:${name}` : name);
  return Object.fromEntries(
    objects.flatMap(({ file, functions }) =>
      Object.entries(functions).map(([name, f]) => [
        key(file, name),
        { ...f, calls: f.calls.map(to => (functions[to] ? key(file, to) : to)).sort() },
      ]),
    ),
  );
}

function build(folder, board) {
  run('make', ['-s', '-j2', `BOARD=${board}`, 'STRICT=1'], {
    cwd: folder,
    env: { ...process.env, CFLAGS: '-fcallgraph-info=su' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const out = join(folder, 'build', board);
  const objects = files(out, /\.ci$/)
    .sort()
    .map(ci => objectFunctions(out, ci));
  const functions = qualified(objects);
  const elf = join(out, 'firmware.elf');
  Object.assign(functions, libraryFunctions(elf, new Set(objects.flatMap(o => Object.keys(o.functions)))));
  return { functions, rodata: Object.fromEntries(objects.map(({ file, rodata: n }) => [file, n])), elf };
}

/** Size of a constant that the program keeps for tools. */
async function protocolBytes(elf) {
  const { readElf } = await import(`${dist}/device/elf.js`);
  return readElf(readFileSync(elf)).words('tt_linked_protocol')[0];
}

function sorted(object) {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function table(folder) {
  const input = { ...everyProgram(), sources: await deviceSources(root), kernelFlags };
  for (const [path, text] of emit(input)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const common = {};
  const result = {};
  let protocol = 0;
  let shared = {};
  for (const [board, facts] of Object.entries(boards)) {
    const { functions, rodata: constants, elf } = build(folder, board);
    const own = ([, f]) => f.file.startsWith(`board/${board}/`);
    Object.assign(common, Object.fromEntries(Object.entries(functions).filter(entry => !own(entry))));
    const rest = Object.entries(constants).filter(([file]) => file.startsWith(`board/${board}/`));
    result[board] = {
      ...facts,
      constants: rest.reduce((sum, [, n]) => sum + n, 0),
      functions: sorted(Object.fromEntries(Object.entries(functions).filter(own))),
    };
    protocol = await protocolBytes(elf);
    shared = constants;
  }
  for (const name of generated)
    common[name].calls = common[name].calls.filter(to => !/^tt_/.test(to) || to === 'tt_initial_state');
  // How much a part of the program takes differs a little from program to program; the emitted build enforces this bound.
  for (const name of ['tt_forward', 'tt_backward']) common[name].stack = modelFrame;
  const rodata = Object.fromEntries(
    Object.entries(shared).filter(
      ([file, n]) => n > 0 && /^(kernels|protocol|app|board\/common)\/|model\/api/.test(file),
    ),
  );
  return {
    generator: 'scripts/device-tables.mjs',
    compiler: read('arm-none-eabi-gcc', ['--version']).split('\n')[0],
    flags: kernelFlags,
    protocol,
    boards: result,
    constants: rodata,
    functions: sorted(common),
  };
}

const folder = mkdtempSync(join(tmpdir(), 'tinytrain-tables-'));
try {
  const text = `${JSON.stringify(await table(folder), null, 1)}\n`;
  if (!process.argv.includes('--check')) {
    writeFileSync(output, text);
  } else if (text !== readFileSync(output, 'utf8')) {
    fail('crates/lower/src/targets.json is stale', ['node scripts/device-tables.mjs']);
  }
} finally {
  rmSync(folder, { recursive: true });
}
