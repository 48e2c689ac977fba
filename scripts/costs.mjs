// Makes crates/target/cores/CORE/costs.json: the instructions that kinds of steps take on a core. Programs of several models and schemes are built
// with the clock read before each step, run on the core's board in QEMU, and for each kind the terms are fitted to the counts.
//
//   node scripts/costs.mjs CORE MODEL...       writes the table, from Programs of these models and of the default one
//   node scripts/costs.mjs CORE MODEL... --dry only says how well it fits
import { readFileSync, writeFileSync } from 'node:fs';
import { fail, read, root } from './lib/shell.mjs';

const dist = process.env.TINYTRAIN_DIST ?? `${root}/dist`;
const { Compiler, defaultImages, loadModel, targets } = await import(`${dist}/index.js`);
const { measureSteps } = await import(`${dist}/device/calibrate.js`);
const { kernelFlags } = await import(`${dist}/device/sources.js`);
const { standInOf } = await import(`${dist}/device/stand-in.js`);

const [core, ...models] = process.argv.slice(2).filter(arg => !arg.startsWith('--'));
const emulated = targets().filter(name => standInOf(name).name === name);
const board = emulated.find(name => standInOf(name).core === core);
if (!board) fail(`'${core}' is not the core of an emulated board`, [`node scripts/costs.mjs CORE MODEL...`]);

const output = `${root}/crates/target/cores/${core}/costs.json`;
const TERMS = 4;
const SWEEPS = 10000;
/** A cost below this, in instructions, is the rounding of the fit. */
const NOTHING = 1e-9;

/** Schemes that train every third convolution, with one share after the other and one number of residual bits after the other. */
function schemes(layers) {
  const shares = ['1', '1/2', '1/4', '1/8'];
  return [0, 1, 2].map(first => {
    const own = Array.from({ length: layers }, (_, i) => i).filter(i => i % 3 === first);
    return `bias:${layers},${own.map((layer, i) => `${layer}:${shares[(i + first) % 4]}`).join(',')}`;
  });
}

/** Steps of Programs of a model, measured. */
async function measured(path) {
  const model = await loadModel(path);
  const data = await defaultImages(model.input, { trainPerClass: 3, testPerClass: 1 });
  const compiler = await Compiler.create(model, data);
  const steps = [];
  const all = schemes(compiler.layers);
  const other = [0, 2, 8].flatMap((bits, i) => [
    [all[i], bits],
    ['full', bits],
  ]);
  const programs = [...all.map(scheme => [scheme, 4]), ...other];
  for (const [scheme, residualBits] of [['head', 4], ...programs]) {
    const program = await compiler.compile({ scheme, residualBits });
    const own = await measureSteps(program, data, board);
    steps.push(...own.map((step, i) => ({ ...step, kernel: program.record.steps[i]?.kernel })));
    console.error(`${path ?? 'default'}: ${scheme}, ${residualBits} residual bits`);
  }
  return steps;
}

/** A Program with other steps, for `measureSteps` alone; `works` says what they do. */
function doctored(program, steps, works, arenaBytes) {
  const record = { ...program.record, steps, arenaBytes };
  const handle = {
    work: () => JSON.stringify(works),
    constant: i => program.handle.constant(i),
    initialState: () => program.handle.initialState(),
  };
  const memoryOn = target => ({ ...program.memoryOn(target), stack: program.memoryOn(target).stack + 512 });
  return Object.create(program, {
    record: { value: record },
    handle: { value: handle },
    memoryOn: { value: memoryOn },
  });
}

/** Steps that no model here has, at some sizes, behind those of a Program. */
function rareSteps(program) {
  const slot = i => ({ region: 'arena', offset: i << 18, bytes: 1 << 18 });
  const [x, y, mask, g] = [{ read: slot(0) }, { write: slot(1) }, { read: slot(2) }, { read: slot(3) }];
  const steps = [];
  const add = (kind, terms, kernel, args) =>
    steps.push({ work: { kind, terms: [1, ...terms] }, step: { label: `rare ${steps.length}`, kernel, args } });
  const clamp = { lo: -128, hi: 127 };
  const byChannel = program.record.steps.find(({ kernel, args }) => kernel.name === 'gradScale' && args[2] !== 'none');
  for (const [side, c] of [
    [8, 16],
    [16, 24],
    [16, 64],
    [32, 16],
  ]) {
    const n = side * side * c;
    for (const [bits, suffix] of [
      ['none', ''],
      [mask, ', masked'],
    ]) {
      const writes = bits === 'none' ? 'none' : { write: slot(2) };
      add(
        `requantize${suffix}`,
        [0, n, 0],
        { name: 'requantize', p: { n, x_zero: 1, y_zero: 2, m: 1 << 30, left: 0, ...clamp } },
        [x, y, writes],
      );
      const scale = { n, channels: c, m: 1 << 30, s: 31, repeat: 1 };
      add(`grad scale${suffix}`, [0, n, 0], { name: 'gradScale', p: scale }, [x, bits, 'none', 'none', y]);
      add(`grad scale, shifted${suffix}`, [0, n, 0], { name: 'gradScale', p: { ...scale, s: 63 } }, [
        x,
        bits,
        'none',
        'none',
        y,
      ]);
      if (byChannel && bits === 'none') {
        const { channels } = byChannel.kernel.p;
        const p = { ...scale, n: side * side * channels, channels };
        add('grad scale, by channel', [0, p.n, 0], { name: 'gradScale', p }, [x, 'none', byChannel.args[2], 'none', y]);
      }
      for (const k of [2, 3]) {
        const out = side / 2;
        const p = {
          in_h: side,
          in_w: side,
          c,
          out_h: out,
          out_w: out,
          kh: k,
          kw: k,
          stride_h: 2,
          stride_w: 2,
          pad_top: 0,
          pad_left: 0,
          ...clamp,
          shift: 3,
        };
        const products = out * out * c * k * k;
        add(`max pool${suffix}`, [0, out * out * c, products], { name: 'maxPool', p }, [x, y, writes]);
        add(`average pool${suffix}`, [0, out * out * c, products], { name: 'averagePool', p }, [x, y, writes]);
        if (bits === 'none') continue;
        add('max pool grad', [0, n, products * k * k], { name: 'maxPoolGrad', p }, [x, g, mask, y]);
        add('average pool grad', [0, n, products], { name: 'averagePoolGrad', p }, [g, mask, y]);
      }
    }
    add(
      'softmax',
      [0, n / 16, 0],
      { name: 'softmax', p: { rows: side, n: n / 16 / side, cap: 200, m: 1 << 30, s: 8 } },
      [x, y],
    );
    add('fill', [0, n, 0], { name: 'fill', p: { n, value: 3 } }, [y]);
    const box = {
      h: side,
      w: side,
      c,
      src_offset: 0,
      src_row: side * c,
      src_col: c,
      dst_offset: 0,
      dst_row: side * c,
      dst_col: c,
    };
    add('copy', [side * side, n, 0], { name: 'copyBox', p: { ...box, shift: 0 } }, [x, y]);
    add('copy shifted', [side * side, n, 0], { name: 'copyBox', p: { ...box, shift: 1 } }, [x, y]);
  }
  for (const [side, c, stride] of [
    [8, 16, 1],
    [16, 24, 1],
    [16, 64, 1],
    [16, 64, 2],
    [32, 16, 2],
  ]) {
    const out = side / stride;
    const p = {
      ...{ in_h: side, in_w: side, in_c: c, out_h: out, out_w: out, out_c: c, kh: 3, kw: 3 },
      ...{ stride_h: stride, stride_w: stride, pad_top: 1, pad_left: 1, trained: 0, x_zero: 0, y_zero: 0, ...clamp },
    };
    // Rows of all windows that lie within the input: at stride 1 the first and the last one lack a row each, at stride 2 only the first.
    const met = 3 * out - (stride === 1 ? 2 : 1);
    add(
      'conv input grad',
      [side * side * 9 * c, side * side * c, met * met * c * c],
      { name: 'convInputGrad', depthwise: false, p, shift: 8 },
      [x, mask, 'none', 'none', y, { scratch: slot(3) }],
    );
  }
  return steps;
}

/** Rare steps behind those of a Program, and its convolutions with bounds that let no four outputs be written at once. */
async function measuredRare(path) {
  const model = await loadModel(path);
  const data = await defaultImages(model.input, { trainPerClass: 3, testPerClass: 1 });
  const compiler = await Compiler.create(model, data);
  const program = await compiler.compile({ scheme: 'bias:4' });
  const works = JSON.parse(program.handle.work());
  const rare = rareSteps(program);
  const { steps } = program.record;
  const longer = doctored(
    program,
    [...steps, ...rare.map(one => one.step)],
    [...works, ...rare.map(one => one.work)],
    1 << 20,
  );
  const found = (await measureSteps(longer, data, board)).slice(steps.length, -1);
  const slow = /^(conv|depthwise)/;
  const bounded = steps.map((step, i) =>
    step.kernel.name === 'conv' && slow.test(works[i].kind)
      ? { ...step, kernel: { ...step.kernel, p: { ...step.kernel.p, lo: -127 } } }
      : step,
  );
  const head = await compiler.compile({ scheme: 'head' });
  const plain = JSON.parse(head.handle.work());
  const only = head.record.steps.map((step, i) =>
    bounded[i].kernel.name === 'conv' ? { ...step, kernel: bounded[i].kernel } : step,
  );
  const byOne = plain.map((work, i) =>
    only[i].kernel.name === 'conv'
      ? { ...work, kind: `${work.kind.replace(/, (masked|one by one)$/, '')}, one by one` }
      : work,
  );
  const all = await measureSteps(doctored(head, only, byOne, head.record.arenaBytes), data, board);
  return [...found, ...all.filter(({ kind }) => kind.endsWith('one by one'))];
}

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

/** Costs of at least 0 that fit best: least squares of relative errors, weighted by the root of a step's instructions, one cost after the other. */
function fitted(steps) {
  const rows = steps.map(({ terms, instructions }) => {
    const weight = 1 / Math.max(1, instructions) ** 0.75;
    return { x: terms.map(t => t * weight), y: instructions * weight };
  });
  const scale = Array.from(
    { length: TERMS },
    (_, t) => Math.sqrt(rows.reduce((sum, { x }) => sum + x[t] ** 2, 0)) || 1,
  );
  const costs = new Array(TERMS).fill(0);
  const left = rows.map(({ y }) => y);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let t = 0; t < TERMS; t++) {
      const gain = rows.reduce((sum, { x }, i) => sum + (x[t] / scale[t]) * left[i], 0);
      const next = Math.max(0, costs[t] + gain);
      const change = next - costs[t];
      if (change === 0) continue;
      costs[t] = next;
      for (const [i, { x }] of rows.entries()) left[i] -= (change * x[t]) / scale[t];
    }
  }
  return costs.map((cost, t) => (cost / scale[t] < NOTHING ? 0 : Number((cost / scale[t]).toPrecision(4))));
}

const cache = process.env.COSTS_CACHE;
let all;
try {
  all = JSON.parse(readFileSync(cache, 'utf8'));
} catch {
  all = [];
  for (const path of [undefined, ...models]) all.push(...(await measured(path)), ...(await measuredRare(path)));
  if (cache) writeFileSync(cache, JSON.stringify(all));
}
const kinds = [...new Set(all.map(({ kind }) => kind))].sort();
const costs = {};
for (const kind of kinds) {
  const steps = all.filter(step => step.kind === kind);
  costs[kind] = fitted(steps);
  const of = steps.reduce((sum, { instructions }) => sum + instructions, 0);
  const off = steps.reduce((sum, { terms, instructions }) => sum + Math.abs(dot(terms, costs[kind]) - instructions), 0);
  const share = of / all.reduce((sum, { instructions }) => sum + instructions, 0);
  console.error(
    `${kind.padEnd(44)} ${String(steps.length).padStart(5)} steps ${(100 * share).toFixed(1).padStart(5)} %  off by ${((100 * off) / of).toFixed(1).padStart(5)} %  ${costs[kind].join(' ')}`,
  );
}
if (!process.argv.includes('--dry')) {
  const compiler = read('arm-none-eabi-gcc', ['--version']).split('\n')[0];
  const lines = Object.entries(costs).map(([kind, c]) => `  ${JSON.stringify(kind)}: [${c.join(', ')}]`);
  const head = { generator: 'scripts/costs.mjs', core, compiler, flags: kernelFlags };
  writeFileSync(output, `${JSON.stringify(head, null, 1).slice(0, -2)},\n "costs": {\n${lines.join(',\n')}\n }\n}\n`);
}
