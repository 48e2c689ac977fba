// Makes crates/lower/src/costs.json: how many instructions the kinds of steps take. Programs of several models and schemes are built with the clock
// read before each step, run in QEMU, and for each kind the terms are fitted to what was counted.
//
//   node scripts/costs.mjs MODEL...       writes the table, from Programs of these models and of the default one
//   node scripts/costs.mjs MODEL... --dry only says how well it fits
import { readFileSync, writeFileSync } from 'node:fs';
import { read, root } from './lib/shell.mjs';

const dist = process.env.TINYTRAIN_DIST ?? `${root}/dist`;
const { Compiler, defaultPictures, loadModel } = await import(`${dist}/index.js`);
const { measureSteps } = await import(`${dist}/device/calibrate.js`);
const { kernelFlags } = await import(`${dist}/device/sources.js`);

const output = `${root}/crates/lower/src/costs.json`;
const TERMS = 4;
const SWEEPS = 20000;

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
  const data = await defaultPictures(model.input, { trainPerClass: 3, testPerClass: 1 });
  const compiler = await Compiler.create(model, data);
  const steps = [];
  const programs = [4, 0, 2, 8].flatMap(bits => schemes(compiler.layers).map(scheme => [scheme, bits]));
  for (const [scheme, residualBits] of [['head', 4], ...programs]) {
    const program = await compiler.compile({ scheme, residualBits });
    const own = await measureSteps(program, data, 'qemu-mps2-an500');
    steps.push(...own.map((step, i) => ({ ...step, kernel: program.record.steps[i]?.kernel })));
    console.error(`${path ?? 'default'}: ${scheme}, ${residualBits} residual bits`);
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
  const scale = Array.from({ length: TERMS }, (_, t) => Math.sqrt(rows.reduce((sum, { x }) => sum + x[t] ** 2, 0)) || 1);
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
  return costs.map((cost, t) => Number((cost / scale[t]).toPrecision(4)));
}

const models = process.argv.slice(2).filter(arg => !arg.startsWith('--'));
const cache = process.env.COSTS_CACHE;
let all;
try {
  all = JSON.parse(readFileSync(cache, 'utf8'));
} catch {
  all = [];
  for (const path of [undefined, ...models]) all.push(...(await measured(path)));
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
  const head = { generator: 'scripts/costs.mjs', compiler, flags: kernelFlags };
  writeFileSync(output, `${JSON.stringify(head, null, 1).slice(0, -2)},\n "costs": {\n${lines.join(',\n')}\n }\n}\n`);
}
