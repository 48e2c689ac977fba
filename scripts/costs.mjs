// Makes crates/target/cores/CORE/costs.json: the instructions that kinds of steps take on a core, and the cycles that an instruction of each takes.
// Programs of several models and schemes are built with a mark before each step and run on the core's board in QEMU, where a plugin counts how often each
// block of code runs between two marks. For each kind the terms are fitted to the instructions; the cycles are those of the blocks in a model of the
// core's pipeline (lib/pipeline.mjs, docs/time.md). A kind that none of these Programs has keeps its earlier ones, or else takes the costs of the nearest kind
// of the same kernel, or of the same kind on a Cortex-M7.
//
//   node scripts/costs.mjs CORE MODEL...         writes the table, from Programs of these models and of the default one
//   node scripts/costs.mjs CORE MODEL... --new   fits only kinds that the table lacks, from Programs of these models alone: after a new kernel
//   node scripts/costs.mjs CORE MODEL... --dry   only says how well it fits
//
// With COSTS_CACHE=FILE, what was measured is kept in that file and taken from it for the same firmware: a run that was stopped goes on.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blockCycles, disassembled, segments } from './lib/blocks.mjs';
import { fitted, TERMS } from './lib/fit.mjs';
import { pipelines } from './lib/pipeline.mjs';
import { fail, read, root, run } from './lib/shell.mjs';

const dist = process.env.TINYTRAIN_DIST ?? `${root}/dist`;
const { Compiler, defaultImages, loadModel, targets } = await import(`${dist}/index.js`);
const { native } = await import(`${dist}/native.js`);
const { firmwareFiles } = await import(`${dist}/device/firmware.js`);
const { measuredSteps, measureSteps } = await import(`${dist}/device/measure.js`);
const { workOf } = await import(`${dist}/program/costs.js`);
const { kernelFlags } = await import(`${dist}/device/sources.js`);
const { standInOf } = await import(`${dist}/device/stand-in.js`);

const [core, ...models] = process.argv.slice(2).filter(arg => !arg.startsWith('--'));
const usage = ['node scripts/costs.mjs CORE MODEL...'];
const emulated = targets().filter(name => standInOf(name).name === name);
const board = emulated.find(name => standInOf(name).core === core);
if (!board) fail(`'${core}' is not the core of an emulated board`, usage);
const pipeline = pipelines[core];
if (!pipeline) fail(`scripts/lib/pipeline.mjs does not know the pipeline of '${core}'`, usage);
const levels = [pipeline.low, pipeline.likely, pipeline.high];

const onlyNew = process.argv.includes('--new');
const compiler = read('arm-none-eabi-gcc', ['--version']).split('\n')[0];
const modelText = `${JSON.stringify(levels)} ${['blocks', 'pipeline'].map(name => readFileSync(`${root}/scripts/lib/${name}.mjs`, 'utf8'))}`;
const tableOf = core => `${root}/crates/target/cores/${core}/costs.json`;
const output = tableOf(core);

/** Schemes and residual bits: the head, every third convolution with one share after the other, and everything. */
function schemes(layers) {
  const shares = ['1', '1/2', '1/4', '1/8'];
  const third = first => {
    const own = Array.from({ length: layers }, (_, i) => i).filter(i => i % 3 === first);
    const some = own.map((layer, i) => `${layer}:${shares[(i + first) % 4]}`);
    return [`bias:${layers}`, ...some].join(',');
  };
  return [
    ['head', 4],
    [third(0), 4],
    [third(1), 0],
    [third(2), 2],
    ['full', 8],
    ['full', 4],
  ];
}

/** Steps of a Program, each with its instructions and its cycles on each level of the model. */
async function measuredProgram(program, data, folder) {
  const counts = join(folder, 'counts');
  let found;
  const steps = await measureSteps(program, data, board, {
    folder: join(folder, 'firmware'),
    more: async elf => {
      const mark = read('arm-none-eabi-nm', [elf])
        .split('\n')
        .find(line => line.endsWith(' tt_mark'))
        .split(' ')[0];
      return ['-plugin', `${join(folder, 'blocks.so')},mark=0x${mark},out=${counts}`];
    },
    after: async elf => {
      const code = disassembled(elf);
      const marks = program.record.steps.length + 4;
      const parts = segments(readFileSync(counts, 'utf8'));
      const sums = part => blockCycles(code, part, levels);
      // Before the first mark: what comes before a training step. Its marks: before it, at each step, behind the last, behind it, once more.
      found = program.record.steps.map((_, i) => {
        const all = Array.from({ length: measuredSteps }, (_, s) => {
          const own = sums(parts[s * marks + marks - 1]);
          const step = sums(parts[s * marks + i + 2]);
          return step.map((x, k) => x - own[k]);
        });
        return all[0].map((_, k) => all.reduce((sum, one) => sum + one[k], 0) / all.length);
      });
    },
  });
  return steps.map((step, i) => {
    const [instructions, ...cycles] = found[i] ?? [];
    // The two ways of counting are independent: QEMU's virtual time, and the plugin's blocks.
    if (instructions !== undefined && Math.abs(instructions - step.instructions) > 2 + 0.001 * step.instructions)
      fail(`${step.label}: ${instructions} instructions by blocks, ${step.instructions} by the clock`);
    return instructions === undefined ? step : { ...step, cycles };
  });
}

/** What a measurement depends on: the firmware, its compiler and the model of the pipeline. */
async function keyOf(program, data) {
  const hash = createHash('sha256');
  const files = await firmwareFiles(program, data, board, { marks: true });
  for (const [name, content] of files) hash.update(name).update('\0').update(content);
  return hash.update(compiler).update(modelText).digest('hex');
}

const cache = process.env.COSTS_CACHE;
const kept = cache && existsSync(cache) ? JSON.parse(readFileSync(cache, 'utf8')) : {};

/** Steps of Programs of a model, measured. */
async function measured(path, folder) {
  const model = await loadModel(path, path?.endsWith('.pkl') ? { input: { height: 128, width: 128 } } : {});
  const data = await defaultImages(model.input, { trainPerClass: 3, testPerClass: 1 });
  const planner = await Compiler.create(model, data);
  const steps = [];
  const measure = async (program, which) => {
    const key = await keyOf(program, data);
    kept[key] ??= await measuredProgram(program, data, folder);
    if (cache) writeFileSync(cache, JSON.stringify(kept));
    // Kinds and terms are today's, also where the counts are kept ones.
    const work = workOf(program);
    steps.push(...kept[key].map((step, i) => ({ ...step, ...work[i] })));
    console.error(`${path ?? 'default'}: ${program.scheme}, ${program.residualBits} residual bits${which}`);
  };
  const all = schemes(planner.layers);
  if (onlyNew) {
    // Everything forward and backward once.
    await measure(await planner.compile({ scheme: 'full', residualBits: 4 }), '');
    return steps;
  }
  for (const [scheme, residualBits] of all) await measure(await planner.compile({ scheme, residualBits }), '');
  // Calls over rows are many and small: without them the fit does not know what a call costs by itself.
  for (const [scheme, residualBits] of all.slice(0, 2)) {
    await measure(await planner.fitted({ scheme, residualBits, budget: 1, target: board }), ', over rows');
  }
  return steps;
}

async function measuredAll() {
  const folder = mkdtempSync(join(tmpdir(), 'tinytrain-costs-'));
  try {
    run('cc', ['-shared', '-fPIC', '-O2', '-Wall', '-o', join(folder, 'blocks.so'), `${root}/scripts/lib/blocks.c`]);
    const all = [];
    for (const path of onlyNew ? models : [undefined, ...models]) all.push(...(await measured(path, folder)));
    return all;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const all = await measuredAll();
const tableIn = file => ({ costs: {}, cycles: {}, ...(existsSync(file) && JSON.parse(readFileSync(file, 'utf8'))) });
const { costs: earlier, cycles: earlierCycles } = tableIn(output);
const { costs: likely } = tableIn(tableOf('cortex-m7'));

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
  const found = best === undefined ? likely[kind] : (costs[best] ?? earlier[best]);
  if (found === undefined) fail(`no Program of these models calls ${kernel}`, ['name a model that has it']);
  if (best === undefined) console.error(`${kind}: not in these models; as on a Cortex-M7`);
  return found;
}

const total = (steps, value) => steps.reduce((sum, step) => sum + value(step), 0);

/** Cycles an instruction over some steps. */
function cyclesAnInstruction(steps) {
  const counted = steps.filter(({ cycles }) => cycles);
  const instructions = total(counted, step => step.instructions);
  const of = level => Number((total(counted, ({ cycles }) => cycles[level]) / instructions).toFixed(3));
  const [low, likely, high] = [of(0), of(1), of(2)];
  // A level is not faster in every single pattern of instructions: where the likely one is beyond another, it is the limit itself.
  return [Math.min(low, likely), likely, Math.max(likely, high)];
}

const costs = {};
const cycles = { all: (onlyNew && earlierCycles.all) || cyclesAnInstruction(all) };
const kinds = native().workKinds();
const stepsOf = kind => all.filter(step => step.kind === kind);
const asked = kind => !onlyNew || earlier[kind]?.length !== TERMS;
for (const kind of kinds.filter(kind => asked(kind) && stepsOf(kind).length > 0)) {
  const steps = stepsOf(kind);
  const { terms, off } = fitted(steps);
  costs[kind] = terms;
  if (steps.some(step => step.cycles)) cycles[kind] = cyclesAnInstruction(steps);
  const share = total(steps, step => step.instructions) / total(all, step => step.instructions);
  const columns = [
    kind.padEnd(44),
    String(steps.length).padStart(5),
    'steps',
    (100 * share).toFixed(1).padStart(5),
    '%',
  ];
  console.error(
    ...columns,
    `off by ${(100 * off).toFixed(1).padStart(5)} %`,
    terms.join(' '),
    '|',
    cycles[kind]?.join(' ') ?? '',
  );
}
for (const kind of kinds.filter(kind => !costs[kind])) {
  costs[kind] = earlier[kind]?.length === TERMS ? earlier[kind] : nearest(kind);
  if (earlierCycles[kind]) cycles[kind] = earlierCycles[kind];
}

if (!process.argv.includes('--dry')) {
  const block = (keys, values) =>
    keys.map(kind => `  ${JSON.stringify(kind)}: [${values[kind].join(', ')}]`).join(',\n');
  const head = { generator: 'scripts/costs.mjs', core, compiler, flags: kernelFlags };
  const known = ['all', ...kinds.filter(kind => cycles[kind])];
  const parts = [` "costs": {\n${block(kinds, costs)}\n }`, ` "cycles": {\n${block(known, cycles)}\n }`];
  writeFileSync(output, `${JSON.stringify(head, null, 1).slice(0, -2)},\n${parts.join(',\n')}\n}\n`);
}
