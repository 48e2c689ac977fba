import { join } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import type { SampleSet } from '../data/dataset.js';
import { defaultImages } from '../data/drawn/set.js';
import { loadImages } from '../data/images/folder.js';
import { firmwareFiles, writeFirmware } from '../device/firmware.js';
import { runFirmware } from '../device/run.js';
import { TinytrainError } from '../errors.js';
import { replaceFile } from '../files.js';
import { duration, thousands } from '../format.js';
import { loadModel, type Model } from '../model/model.js';
import { readCosts } from '../program/costs.js';
import { compile } from '../program/program.js';
import { contributionFigure } from '../report/contributions.js';
import { memoryTable } from '../report/memory.js';
import { comparisonTable, contributionBars, frontTable, predictionText, triedTable } from '../report/search.js';
import { searchOrigin } from '../search/journal.js';
import { search as searchSchemes } from '../search/search.js';
import type { Criterion, SearchEvent, SearchOptions, SearchResult } from '../search/types.js';
import { openImages, type ProgramArguments, programOptions } from './inputs.js';
import { budgets, bytes, commonOptions, instructions, normalisationOf, positive, time, whole } from './options.js';
import { exitCodes, type Interrupt, print, printJson, shown } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments extends Omit<ProgramArguments, 'scheme' | 'budget' | 'residual-bits'> {
  budget?: number[];
  'residual-bits': string;
  criterion: Criterion;
  seeds?: number;
  visits?: number;
  'proof-visits'?: number;
  lr?: number;
  'cache-memory'?: number;
  time?: number;
  'max-instructions'?: number;
  costs?: string;
  'verify-device': boolean;
  out?: string;
  resume?: string;
  json: boolean;
}

/** A search with what it is about, opened. */
interface Prepared {
  readonly model: Model;
  readonly data: SampleSet;
  readonly options: SearchOptions;
  readonly out: string;
}

function runName(): string {
  const now = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return join('runs', `search-${now}`);
}

async function start(args: Arguments, signal: AbortSignal, line: ProgressLine): Promise<Prepared> {
  if (!args.budget) {
    throw new TinytrainError('USAGE', 'a search needs a budget of SRAM', {
      help: ['npx tinytrain search --budget 256k'],
    });
  }
  const model = await loadModel(args.model, { input: args.input, normalisation: normalisationOf(args) });
  const data = await openImages(args, model, signal, line);
  const { flash, target, criterion, seed, seeds, visits, lr } = args;
  const bits = args['residual-bits'];
  const residualBits = bits === 'any' ? ('any' as const) : Number(bits);
  const proofVisits = args['proof-visits'];
  const options = {
    budgets: args.budget,
    flash,
    maxInstructions: args['max-instructions'],
    costs: args.costs === undefined ? undefined : await readCosts(args.costs),
    target,
    criterion,
    seed,
    seeds,
    visits,
    proofVisits,
    lr,
    residualBits,
  };
  return { model, data, options, out: args.out ?? runName() };
}

async function resumed(out: string, args: Arguments, signal: AbortSignal, line: ProgressLine): Promise<Prepared> {
  const { model: of, normalisation, data: origin, options } = await searchOrigin(out);
  const model = await loadModel(of.path, { input: of.input, normalisation });
  if (!origin) throw new TinytrainError('SEARCH_NO_DATA', `${out}: the search's images came from a program`);
  const onProgress = ({ done, total }: { done: number; total: number }) => line.show('images', done, total);
  const work = { threads: args.threads, signal, onProgress };
  const data =
    'drawn' in origin
      ? await defaultImages(model.input, { ...origin.drawn, ...work })
      : await loadImages(origin.folder, model.input, { ...origin, ...work });
  const { flash, maxInstructions, costs, ...plan } = options;
  const limits = {
    flash: flash ?? undefined,
    maxInstructions: maxInstructions ?? undefined,
    costs: costs ?? undefined,
  };
  return { model, data, out, options: { ...plan, ...limits } };
}

function head({ model, data, options }: Prepared, begin: Extract<SearchEvent, { type: 'begin' }>): string {
  const { totals, input, name } = model.description;
  const { plan, threads, validation } = begin;
  const held = data.validation ? '' : `, ${thousands(validation)} of them held back`;
  const sram = plan.budgets.map(budget => thousands(budget)).join(', ');
  const most = plan.maxInstructions === null ? '' : `, at most ${thousands(plan.maxInstructions)} instructions a step`;
  return [
    `model    ${name} (${input.shape.join('x')}, ${(totals.macs / 1e6).toFixed(1)} M MACs, ${thousands(totals.weights)} weights)`,
    `data     ${data.source} (${data.classes.length} classes, ${thousands(data.train.size)} images${held}, ${thousands(data.test.size)} for the test)`,
    `budget   ${sram} B of SRAM, all in${most}   seed ${options.seed ?? 0}   threads ${threads}`,
    '',
  ].join('\n');
}

function layerText({ description }: Model): (layer: number) => string {
  return layer => {
    const found = description.layers.find(({ conv }) => conv === layer);
    if (!found) return '';
    const channels = `${found.inputs[0]?.[2] ?? ''}->${found.output[2]}`;
    return `${found.kernel?.join('x') ?? ''}${found.depthwise ? ' depthwise' : ''}, ${channels}`;
  };
}

/** Options that a command has to be given again to mean the same. */
function again(args: Arguments, result: SearchResult): string {
  const input = args.input && `--input ${args.input.height}x${args.input.width}`;
  const bits = result.residualBits === 4 ? undefined : `--residual-bits ${result.residualBits}`;
  return [args.model && `--model ${args.model}`, args.data && `--data ${args.data}`, input, bits]
    .filter(part => part !== undefined && part !== '')
    .map(part => `${part} `)
    .join('');
}

function report(result: SearchResult, args: Arguments, out: string, seconds: number): string {
  const { front, budget, memory, leftOut, plan } = result;
  const several = front.length > 1 ? [frontTable(front, result.baselines), ''] : [];
  const judged = front.flatMap(point => [comparisonTable(point), '']);
  const words = [...judged, predictionText(result)].filter((text, i, all) => text !== '' || all[i - 1]);
  const left = leftOut.length > 0 ? ['left out for want of time', ...leftOut.map(line => `  ${line}`), ''] : [];
  return [
    triedTable(result),
    '',
    ...several,
    ...(words.length > 0 ? [...words, ''] : []),
    memoryTable(memory, { budget, flash: plan.flash ?? undefined }),
    '',
    ...left,
    `found    ${result.scheme}, ${result.residualBits} residual bits`,
    `time     ${duration(seconds)}, ${thousands(result.evaluations)} candidates planned, ${thousands(result.trials.length)} training runs`,
    '',
    `wrote ${shown(out)}: scheme.json, search.json, contributions.svg`,
    `next: npx tinytrain compile ${again(args, result)}--scheme ${shown(join(out, 'scheme.json'))} --target ${plan.target} --out firmware`,
  ].join('\n');
}

/** What the device makes of what was found. */
interface Verified {
  readonly equal: boolean;
  readonly planned: number;
  readonly linked: number | null;
  readonly steps: number;
  /** Instructions of a training step, counted and predicted; null where none are counted. */
  readonly instructions: { readonly counted: number; readonly predicted: number } | null;
}

async function verify(
  prepared: Prepared,
  result: SearchResult,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<Verified> {
  const { model, data, out } = prepared;
  const { scheme, residualBits, plan } = result;
  const program = await compile(model, data, {
    scheme,
    residualBits,
    seed: plan.seed,
    target: plan.target,
    budget: result.budget,
  });
  const folder = join(out, 'firmware');
  await writeFirmware(folder, await firmwareFiles(program, data, plan.target));
  const found = await runFirmware(folder, {
    signal,
    onProgress: ({ phase, done, total }) => line.show(phase, done, total),
  });
  line.clear();
  return {
    equal: found.equal,
    planned: program.memory.sram.total,
    linked: found.linked?.sram ?? null,
    steps: found.steps,
    instructions: found.instructions && {
      counted: found.instructions.trainStep,
      predicted: result.instructions,
    },
  };
}

function verifiedText({ equal, planned, linked, steps, instructions: step }: Verified): string {
  const bits = equal ? `${thousands(steps)} steps, every bit equal` : 'the device differs from the host';
  const bytesText = linked === null ? '' : `${thousands(linked)} B of SRAM linked, ${thousands(planned)} B planned; `;
  const stepText = step
    ? `${thousands(step.counted)} instructions a step, ${thousands(step.predicted)} predicted; `
    : '';
  return `device   ${bytesText}${stepText}${bits}`;
}

async function follow(
  prepared: Prepared,
  args: Arguments,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<SearchResult> {
  const { model, data, options, out } = prepared;
  const all = {
    ...options,
    out,
    resume: args.resume !== undefined,
    threads: args.threads,
    cacheBytes: args['cache-memory'],
    seconds: args.time,
    signal,
  };
  const say = (text: string) => {
    line.clear();
    if (!args.json) print(text);
  };
  let where = '';
  let note = '';
  // Under --time it is over by then.
  const [began, { time }] = [performance.now(), args];
  const rest = time === undefined ? undefined : () => time - (performance.now() - began) / 1000;
  try {
    for await (const event of searchSchemes(model, data, all)) {
      if (event.type === 'begin') say(head(prepared, event));
      else if (event.type === 'progress') {
        where = `${event.what}, ${event.done} of ${event.total}`;
        const left = event.left !== null && rest !== undefined ? Math.min(event.left, Math.max(0, rest())) : event.left;
        line.show(event.what, event.done, event.total, note, left);
        note = '';
      } else if (event.type === 'analysis') {
        // Under a short --time nothing may have been measured.
        const { biases, layers } = event.contributions;
        if (biases.length + layers.length > 0) say(`${contributionBars(event.contributions, layerText(model))}\n`);
      } else if (event.type === 'generation') {
        note = `${thousands(event.evaluations)} candidates, best sum ${event.best.sum.toFixed(3)} with ${thousands(event.best.sram)} B`;
      } else if (event.type === 'done') return event.result;
    }
    throw new TinytrainError('INTERNAL', 'internal: the search ended without a result');
  } catch (error) {
    line.clear();
    if (!(error instanceof TinytrainError) || error.code !== 'ABORTED') throw error;
    const help = [`go on with: npx tinytrain search --resume ${shown(out)}`];
    throw new TinytrainError('ABORTED', `the search, in: ${where || 'preparation'}`, { run: out, help }, error);
  }
}

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const line = new ProgressLine();
  const began = performance.now();
  try {
    const prepared =
      args.resume === undefined ? await start(args, signal, line) : await resumed(args.resume, args, signal, line);
    const result = await follow(prepared, args, signal, line);
    await replaceFile(join(prepared.out, 'contributions.svg'), contributionFigure(result.contributions));
    const seconds = (performance.now() - began) / 1000;
    line.clear();
    if (!args.json) print(report(result, args, prepared.out, seconds));
    const verified = args['verify-device'] ? await verify(prepared, result, signal, line) : undefined;
    if (args.json) {
      const { trials, ...rest } = result;
      printJson({
        ...rest,
        trainings: trials.length,
        seconds,
        run: prepared.out,
        ...(verified && { device: verified }),
      });
    } else if (verified) print(verifiedText(verified));
    if (verified && !verified.equal) process.exitCode = exitCodes.failure;
  } finally {
    line.clear();
  }
}

const { scheme: _scheme, budget: _budget, 'residual-bits': _bits, ...shared } = programOptions;

/** `search` */
export const search = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'search',
  describe: 'finds what to train within a budget of SRAM, and proves it by training',
  builder: (args: Argv<object>) =>
    args
      .options({
        budget: {
          describe: 'SRAM that a scheme may need, all in, such as 256k; several: 192k,224k,256k',
          type: 'string',
          requiresArg: true,
          coerce: budgets,
        },
        ...shared,
        'residual-bits': {
          describe: 'bits beside a trained weight’s eight; any: the search chooses',
          choices: ['0', '2', '4', '8', 'any'],
          default: '4',
          requiresArg: true,
        },
        'max-instructions': {
          describe: 'instructions that a training step may take, as predicted, such as 40M',
          type: 'string',
          requiresArg: true,
          coerce: instructions,
          defaultDescription: 'any number',
        },
        costs: {
          describe: 'table that instructions are predicted by, of `tinytrain run --calibrate FILE`',
          type: 'string',
          requiresArg: true,
          defaultDescription: 'measured in QEMU',
        },
        criterion: {
          describe: 'what contributions are counted in; accuracy: as in the paper',
          choices: ['loss', 'accuracy'] as const,
          default: 'loss' as const,
          requiresArg: true,
        },
        seeds: {
          describe: 'runs of every scheme in proof and test',
          type: 'string',
          requiresArg: true,
          coerce: whole('seeds', 1, 1000),
          defaultDescription: '3',
        },
        visits: {
          describe: 'training steps of a run of the analysis',
          type: 'string',
          requiresArg: true,
          coerce: whole('visits', 1, 2 ** 32 - 1),
          defaultDescription: 'by images and model',
        },
        'proof-visits': {
          describe: 'training steps of a run of the proof',
          type: 'string',
          requiresArg: true,
          coerce: whole('proof-visits', 1, 2 ** 32 - 1),
          defaultDescription: 'by images and model',
        },
        lr: {
          describe: 'highest learning rate',
          type: 'string',
          requiresArg: true,
          coerce: positive('lr'),
          defaultDescription: '0.0016',
        },
        time: {
          describe: 'spend at most so long, such as 10m, and say what was left out',
          type: 'string',
          requiresArg: true,
          coerce: time('time'),
        },
        'cache-memory': {
          describe: 'memory for what frozen layers make of the images',
          type: 'string',
          requiresArg: true,
          coerce: bytes('cache-memory'),
          defaultDescription: 'a quarter of what is free',
        },
        'verify-device': {
          describe: 'link what was found and run it in QEMU',
          type: 'boolean',
          default: false,
        },
        out: {
          describe: 'folder of the search',
          type: 'string',
          requiresArg: true,
          defaultDescription: 'runs/search-...',
        },
        resume: {
          describe: 'folder of a search to go on with; everything else is as it was',
          type: 'string',
          requiresArg: true,
        },
        ...commonOptions,
      })
      .conflicts('resume', [
        'model',
        'data',
        'input',
        'budget',
        'flash',
        'max-instructions',
        'costs',
        'target',
        'seeds',
        'visits',
        'proof-visits',
        'lr',
        'out',
      ])
      .example('npx tinytrain search --budget 256k', 'the default model on the default images')
      .example(
        'npx tinytrain search --data images --budget 192k,224k,256k --time 10m',
        'a front of accuracy against SRAM',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
