import type { Argv, CommandModule } from 'yargs';
import { Dataset } from '../data/dataset.js';
import { inputLength } from '../data/input.js';
import { TinytrainError } from '../errors.js';
import { table, thousands } from '../format.js';
import type { ModelInput } from '../model/input.js';
import {
  type LayerInfo,
  leftOutOf,
  loadAnyModel,
  Model,
  type ModelTotals,
  supportedOperators,
} from '../model/model.js';
import { modelOfSamples } from '../model/quantised.js';
import { options } from '../options.js';
import { Compiler } from '../program/compiler.js';
import { type Estimate, estimateIfKnown } from '../program/costs.js';
import type { Feed } from '../program/memory.js';
import { Random } from '../random.js';
import { estimateLines, stepTable } from '../report/time.js';
import { modelFile, normalised, openModel, openSource, type SampleArguments } from './inputs.js';
import { normalisationOf, optionsOf } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments extends SampleArguments {
  model?: string;
  ops: boolean;
  stage?: string;
  scheme?: string;
  classes?: number;
  target?: string;
  layers: boolean;
  feed?: Feed;
  input?: { height: number; width: number };
  mean?: number[];
  std?: number[];
  json: boolean;
}

/** What is compiled to be looked at. */
interface Shown {
  readonly scheme: string;
  readonly classes: number;
  readonly target: string;
  readonly feed: Feed;
}

const dims = (shape: readonly number[]) => shape.join('x');

function row(layer: LayerInfo): (string | number)[] {
  const window = layer.kernel
    ? `${dims(layer.kernel)}${layer.stride?.some(s => s > 1) ? `/${dims(layer.stride)}` : ''}`
    : '';
  const kind = layer.depthwise ? 'depthwise' : layer.op;
  return [
    layer.index,
    layer.conv ?? '',
    kind,
    window,
    `${layer.inputs.map(dims).join(' + ')} -> ${dims(layer.output)}`,
    layer.macs,
    layer.weights,
  ];
}

function sums({ convolutions, macs, weights, biases }: ModelTotals): string {
  return `${convolutions} convolutions, ${thousands(macs)} MACs, ${thousands(weights)} weights, ${thousands(biases)} biases`;
}

/** Samples of noise. */
function noise(input: ModelInput, count = 2): Dataset {
  const random = new Random(0);
  const values = Int8Array.from({ length: count * inputLength(input) }, () => random.whole(-128, 127));
  return Dataset.from(values, new Uint16Array(count).fill(1, 1), input);
}

/** What the model takes on a board with a head for `classes` classes, over rows where it would not fit otherwise; null if it cannot have a head or if the board's core was never measured. */
async function estimated(model: Model, { scheme, classes, target, feed }: Shown): Promise<Estimate | null> {
  if (!model.description.backbone) return null;
  const names = Array.from({ length: classes }, (_, i) => String(i));
  // Which kernels a backward pass takes depends on exponents, which noise shows well enough; without any, slow ones would be counted.
  const compiler = await Compiler.create(model, { classes: names, train: noise(model.input) });
  return estimateIfKnown(await compiler.fitted({ scheme, target, feed }));
}

function printEstimate(estimate: Estimate, { scheme, classes, target }: Shown, layers: boolean): void {
  print('', `on ${target}, with a head for ${classes} classes, scheme ${scheme}:`, ...estimateLines(estimate));
  if (layers) print('', stepTable(estimate.steps));
}

/** The quantisation of the input and the normalisation of what it is fed with. */
function inputText({ description: { input }, quantised }: Model): string {
  const why = quantised ? 'assumed' : 'guessed from the quantisation';
  const guess = input.guessed ? ` (${why}; --mean and --std override it)` : '';
  const [all, one] = input.units ? ['series', 'value'] : ['pixels', 'pixel'];
  return `${dims(input.shape)}, real = (q - ${input.zero}) * ${input.scale}; ${all}: real = (${one} - ${input.mean}) / ${input.std}${guess}`;
}

function printModel(model: Model, known: boolean): void {
  const { path, description } = model;
  const { name, format, layers, totals, backbone, headless, labels } = description;
  const leftOut = leftOutOf(description);
  const float = model.quantised && !known;
  print(
    `model    ${name} (${format}${model.quantised ? ', float' : ''}, ${path})`,
    ...(float
      ? ['int8     its layers in int8 are these; scales and input follow from training samples: --data DIR']
      : [`input    ${inputText(model)}`]),
    `total    ${sums(totals)}`,
    ...(labels.length > 0 ? [`classes  ${labels.join(', ')}`] : []),
    ...(leftOut === undefined ? [] : [`left out ${leftOut}`]),
    `backbone ${backbone ? sums(backbone) : `none, since the model cannot have a head: ${headless}`}`,
    '',
    table([['index', 'conv', 'op', 'window', 'shape', 'MACs', 'weights'], ...layers.map(row)]),
  );
}

async function stage(model: Model, args: Shown & { readonly stage: string }): Promise<{ name: string; text: string }> {
  const classes = Array.from({ length: args.classes }, (_, i) => String(i));
  const stages = await (await Compiler.create(model, { classes })).stages(args.scheme);
  const found = stages.find(({ name }) => name === args.stage);
  if (found) return found;
  throw new TinytrainError('USAGE', `there is no stage ${args.stage}`, {
    stages: stages.map(({ name }) => name),
    help: [`stages: ${stages.map(({ name }) => name).join(', ')}`],
  });
}

/** Samples of noise with which a float model is quantised to be looked at. */
const NOISE = 16;

/**
 * The model to be looked at. A float one is quantised with training samples if there are any; with noise otherwise, which gives its layers, but no scales
 * that are of use.
 */
async function opened(args: Arguments, signal: AbortSignal, line: ProgressLine): Promise<Model> {
  const source = args.data === undefined ? undefined : await openSource(args);
  if (source) return normalised(await openModel(args, source, signal, line), source, args, { signal });
  const model = await loadAnyModel(modelFile(args), { input: args.input, normalisation: normalisationOf(args) });
  if (model instanceof Model) return model;
  if (args.stage !== undefined) {
    throw new TinytrainError(
      'USAGE',
      `${model.path}: a float model, whose graph has scales once samples have given them`,
      {
        help: ['--data DIR: training samples'],
      },
    );
  }
  const from = { most: NOISE, source: 'noise', hash: '', origin: null };
  return (await modelOfSamples(model, noise(model.input, NOISE), from, { signal })).model;
}

async function run(args: Arguments, signal: AbortSignal): Promise<void> {
  if (args.ops) {
    const operators = supportedOperators();
    return args.json ? printJson({ operators }) : print(...operators);
  }
  const { schemeToShow, classes, targetToShow, feedToShow } = options;
  const shown = {
    scheme: args.scheme ?? schemeToShow.default,
    classes: args.classes ?? classes.default,
    target: args.target ?? targetToShow.default,
    feed: args.feed ?? feedToShow.default,
  };
  const line = new ProgressLine();
  const model = await opened(args, signal, line);
  line.clear();
  if (args.stage !== undefined) {
    const found = await stage(model, { ...shown, stage: args.stage });
    return args.json ? printJson(found) : print(found.text.trimEnd());
  }
  const estimate = await estimated(model, shown);
  if (args.json) {
    const { instructions = null, time = null, steps } = estimate ?? {};
    const wanted = args.layers ? { steps: steps ?? null } : {};
    const { path, hash, description, quantised } = model;
    // What noise gives is no property of the model.
    const made = quantised && (args.data === undefined ? { quantised: null } : { quantised });
    return printJson({ path, hash, ...description, instructions, time, ...wanted, ...made });
  }
  printModel(model, args.data !== undefined);
  if (estimate) printEstimate(estimate, shown, args.layers);
}

/** `inspect MODEL` */
export const inspect = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'inspect [model]',
  describe: 'show the content of a model: operations, shapes, multiply-accumulates, weights',
  builder: (args: Argv<object>) =>
    args
      .positional('model', {
        describe: 'a .tflite, .onnx or .pkl file',
        type: 'string',
        defaultDescription: 'the embedded one of --task',
      })
      .options(optionsOf('inspect'))
      .example(
        'npx tinytrain inspect mcunet.pkl --input 128x128',
        'one line per operation',
      ) as unknown as Argv<Arguments>,
  handler: args => run(args, interrupt.signal),
});
