import type { Argv, CommandModule } from 'yargs';
import { Dataset } from '../data/dataset.js';
import { inputLength } from '../data/input.js';
import { TinytrainError } from '../errors.js';
import { table, thousands } from '../format.js';
import type { ModelInput } from '../model/input.js';
import {
  type LayerInfo,
  leftOutOf,
  loadModel,
  type Model,
  type ModelTotals,
  supportedOperators,
} from '../model/model.js';
import { Compiler } from '../program/compiler.js';
import { type Estimate, estimateIfKnown } from '../program/costs.js';
import { defaultTarget, type Feed, feeds } from '../program/memory.js';
import { Random } from '../random.js';
import { estimateLines, stepTable } from '../report/time.js';
import { commonOptions, modelOptions, normalisationOf, whole } from './options.js';
import { print, printJson } from './outcome.js';

interface Arguments {
  model?: string;
  ops: boolean;
  stage?: string;
  scheme: string;
  classes: number;
  target: string;
  layers: boolean;
  feed?: Feed;
  input?: { height: number; width: number };
  mean?: number[];
  std?: number[];
  json: boolean;
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

/** Two samples of noise. */
function noise(input: ModelInput): Dataset {
  const random = new Random(0);
  const values = Int8Array.from({ length: 2 * inputLength(input) }, () => random.whole(-128, 127));
  return Dataset.from(values, [0, 1], input);
}

/** What the model takes on a board with a head for `classes` classes, over rows where it would not fit otherwise; null if it cannot have a head or if the board's core was never measured. */
async function estimated(model: Model, { scheme, classes, target, feed }: Arguments): Promise<Estimate | null> {
  if (!model.description.backbone) return null;
  const names = Array.from({ length: classes }, (_, i) => String(i));
  // Which kernels a backward pass takes depends on exponents, which noise shows well enough; without any, slow ones would be counted.
  const compiler = await Compiler.create(model, { classes: names, train: noise(model.input) });
  return estimateIfKnown(await compiler.fitted({ scheme, target, feed }));
}

function printEstimate(estimate: Estimate, { scheme, classes, target, layers }: Arguments): void {
  print('', `on ${target}, with a head for ${classes} classes, scheme ${scheme}:`, ...estimateLines(estimate));
  if (layers) print('', stepTable(estimate.steps));
}

function printModel({ path, description }: Model): void {
  const { name, format, input, layers, totals, backbone, headless, labels } = description;
  const leftOut = leftOutOf(description);
  print(
    `model    ${name} (${format}, ${path})`,
    `input    ${dims(input.shape)}, real = (q - ${input.zero}) * ${input.scale}; pixels: real = (pixel - ${input.mean}) / ${input.std}${input.guessed ? ' (guessed from the quantisation; --mean and --std override it)' : ''}`,
    `total    ${sums(totals)}`,
    ...(labels.length > 0 ? [`classes  ${labels.join(', ')}`] : []),
    ...(leftOut === undefined ? [] : [`left out ${leftOut}`]),
    `backbone ${backbone ? sums(backbone) : `none, since the model cannot have a head: ${headless}`}`,
    '',
    table([['index', 'conv', 'op', 'window', 'shape', 'MACs', 'weights'], ...layers.map(row)]),
  );
}

async function stage(model: Model, args: Arguments): Promise<{ name: string; text: string }> {
  const classes = Array.from({ length: args.classes }, (_, i) => String(i));
  const stages = await (await Compiler.create(model, { classes })).stages(args.scheme);
  const found = stages.find(({ name }) => name === args.stage);
  if (found) return found;
  throw new TinytrainError('USAGE', `there is no stage ${args.stage}`, {
    stages: stages.map(({ name }) => name),
    help: [`stages: ${stages.map(({ name }) => name).join(', ')}`],
  });
}

async function run(args: Arguments): Promise<void> {
  if (args.ops) {
    const operators = supportedOperators();
    return args.json ? printJson({ operators }) : print(...operators);
  }
  const model = await loadModel(args.model, { input: args.input, normalisation: normalisationOf(args) });
  if (args.stage !== undefined) {
    const found = await stage(model, args);
    return args.json ? printJson(found) : print(found.text.trimEnd());
  }
  const estimate = await estimated(model, args);
  if (args.json) {
    const { instructions = null, time = null, steps } = estimate ?? {};
    const wanted = args.layers ? { steps: steps ?? null } : {};
    return printJson({ path: model.path, hash: model.hash, ...model.description, instructions, time, ...wanted });
  }
  printModel(model);
  if (estimate) printEstimate(estimate, args);
}

/** `inspect MODEL` */
export const inspect: CommandModule<object, Arguments> = {
  command: 'inspect [model]',
  describe: 'show the content of a model: operations, shapes, multiply-accumulates, weights',
  builder: (args: Argv<object>) =>
    args
      .positional('model', {
        describe: 'a .tflite or .pkl file',
        type: 'string',
        defaultDescription: 'the embedded default',
      })
      .options({
        ...modelOptions,
        ops: { describe: 'list the operators that a .tflite may contain', type: 'boolean', default: false },
        stage: {
          describe: 'print the graph after a pass: import, head, fold, autodiff, prune, fuse or schedule',
          type: 'string',
          requiresArg: true,
        },
        scheme: {
          describe: 'what to train, for instructions and time, and for the passes from prune on',
          type: 'string',
          requiresArg: true,
          default: 'head',
        },
        classes: {
          describe: 'number of classes of the head, for the same',
          type: 'string',
          requiresArg: true,
          default: 10,
          coerce: whole('classes', 2, 1000),
        },
        target: {
          describe: 'board for instructions and time: its name, or the folder of your own board',
          type: 'string',
          requiresArg: true,
          default: defaultTarget,
        },
        feed: {
          describe: 'how samples come in on the device: whole or row by row, for the same',
          choices: feeds,
          requiresArg: true,
          default: 'whole' as const,
        },
        layers: {
          describe: 'instructions and time of every step of a training step, too',
          type: 'boolean',
          default: false,
        },
        ...commonOptions,
      })
      .example(
        'npx tinytrain inspect mcunet.pkl --input 128x128',
        'one line per operation',
      ) as unknown as Argv<Arguments>,
  handler: run,
};
