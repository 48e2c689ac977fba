// Makes crates/target/cores/CORE/costs.json: the instructions that kinds of steps take on a core. Programs of several models and schemes are built
// with the clock read before each step, run on the core's board in QEMU, and for each kind the terms are fitted to the counts. A kind that none of these
// Programs has keeps its earlier costs.
//
//   node scripts/costs.mjs CORE MODEL...       writes the table, from Programs of these models and of the default one
//   node scripts/costs.mjs CORE MODEL... --dry only says how well it fits
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fail, read, root } from './lib/shell.mjs';

const dist = process.env.TINYTRAIN_DIST ?? `${root}/dist`;
const { Compiler, defaultImages, loadModel, targets } = await import(`${dist}/index.js`);
const { native } = await import(`${dist}/native.js`);
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
  const measure = async (program, which) => {
    steps.push(...(await measureSteps(program, data, board)));
    console.error(`${path ?? 'default'}: ${program.scheme}, ${program.residualBits} residual bits${which}`);
  };
  for (const [scheme, residualBits] of [['head', 4], ...programs]) {
    await measure(await compiler.compile({ scheme, residualBits }), '');
  }
  // Calls over rows are many and small: without them the fit does not know what a call costs by itself.
  for (const scheme of ['head', all[0]]) {
    await measure(await compiler.fitted({ scheme, budget: 1, target: board }), ', over rows');
  }
  return steps;
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
  for (const path of [undefined, ...models]) all.push(...(await measured(path)));
  if (cache) writeFileSync(cache, JSON.stringify(all));
}
const earlier = existsSync(output) ? JSON.parse(readFileSync(output, 'utf8')).costs : {};

/** The costs of the kind of the same kernel that shares most: for one that no Program here has. */
function nearest(kind) {
  const [kernel, ...choices] = kind.split(', ');
  const shared = other =>
    other
      .split(', ')
      .slice(1)
      .filter(choice => choices.includes(choice)).length;
  const [best] = Object.keys({ ...earlier, ...costs })
    .filter(other => other.split(', ')[0] === kernel)
    .sort((a, b) => shared(b) - shared(a));
  if (best === undefined) fail(`no Program of these models calls ${kernel}`, ['name a model that has it']);
  return costs[best] ?? earlier[best];
}

const costs = {};
for (const kind of native().workKinds()) {
  const steps = all.filter(step => step.kind === kind);
  if (steps.length === 0) {
    costs[kind] = earlier[kind] ?? nearest(kind);
    continue;
  }
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
