import { basename, extname } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { type Dataset, spread } from '../data/dataset.js';
import { frontText } from '../data/series/sound.js';
import { percent, thousands } from '../format.js';
import { type FloatModel, loadFloatModel } from '../model/float.js';
import type { ModelInput } from '../model/input.js';
import type { Model } from '../model/model.js';
import { quantise } from '../model/quantised.js';
import { checkTarget, writeTarget } from './files.js';
import { openSource, type ProgramArguments, readOptions, type SampleArguments } from './inputs.js';
import { normalisationOf, optionsOf } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments extends SampleArguments, Pick<ProgramArguments, 'input' | 'mean' | 'std'> {
  float: string;
  samples?: number;
  out?: string;
  overwrite: boolean;
  json: boolean;
}

/** Test samples on which float and int8 are compared, at most. */
const COMPARED = 1000;

function largest(values: Int8Array): number {
  return values.reduce((best, value, i) => (value > (values[best] ?? -129) ? i : best), 0);
}

/** How the int8 model does beside the float one on test samples. */
async function compared(
  float: FloatModel,
  model: Model,
  some: Dataset,
  classes: readonly string[],
  options: { threads: number | undefined; signal: AbortSignal },
) {
  const inFloat = await float.classes(some, options);
  const inInt8: number[] = [];
  let outputs = 0;
  for (let i = 0; i < some.size; i++) {
    const [output = new Int8Array()] = (await model.forward(some.sample(i), { signal: options.signal })).outputs;
    outputs = output.length;
    inInt8.push(largest(output));
  }
  const share = (right: (i: number) => boolean) => inInt8.filter((_, i) => right(i)).length / some.size;
  return {
    samples: some.size,
    agreement: share(i => inInt8[i] === inFloat[i]),
    // Only where the outputs can be these classes.
    accuracy:
      outputs === classes.length
        ? { float: share(i => inFloat[i] === some.labels[i]), int8: share(i => inInt8[i] === some.labels[i]) }
        : null,
  };
}

/** The options with which `train` feeds the int8 model as it was quantised; its file says how pixels are normalised, but not series. */
function again({ data, window, hop, front }: Arguments, series: ModelInput | undefined): string {
  const options = [
    data !== undefined && `--data ${data}`,
    window !== undefined && `--window ${window}`,
    hop !== undefined && `--hop ${hop}`,
    front && `--front ${frontText(front)}`,
    series && `--mean ${series.mean.join(',')} --std ${series.std.join(',')}`,
  ];
  return options.flatMap(option => (option ? [` ${option}`] : [])).join('');
}

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const line = new ProgressLine();
  try {
    const out = args.out ?? `${basename(args.float, extname(args.float))}.int8.tflite`;
    await checkTarget(out, args.overwrite);
    const source = await openSource(args);
    const normalisation = normalisationOf(args);
    const pixels = source.normalise ? undefined : normalisation;
    const opened = await loadFloatModel(args.float, { input: args.input, normalisation: pixels });
    const how = { ...readOptions(args.threads, signal, line), most: args.samples, normalisation };
    const { float, model, tflite, quantised, samples } = await quantise(opened, source, how);
    const { method, agreement } = quantised;
    const only = { test: spread(source.parts.test.length, COMPARED) };
    const { test: some } = await source.read(float.input, { ...how, only });
    line.clear();
    const test = await compared(float, model, some, source.classes, { threads: args.threads, signal });
    signal.throwIfAborted();
    await writeTarget(out, tflite, args.overwrite);
    const { name, format, input, assumed } = float;
    if (args.json) {
      printJson({
        model: name,
        format,
        input: { shape: [input.height, input.width, input.channels], mean: input.mean, std: input.std, assumed },
        samples,
        method,
        heldBack: agreement,
        test,
        out,
        bytes: tflite.length,
      });
      return;
    }
    const { accuracy } = test;
    const series = source.normalise !== undefined;
    print(
      `model    ${name} (${format}, float), ${[input.height, input.width, input.channels].join('x')}`,
      `input    real = (${series ? 'value' : 'pixel'} - ${input.mean}) / ${input.std}${assumed ? ' (assumed; --mean and --std say otherwise)' : ''}`,
      `samples  ${thousands(samples)} training samples of ${source.name}`,
      `int8     weights with a scale for each channel; activations over ${method}`,
      `test     the class of the float model on ${percent(test.agreement)} of ${thousands(test.samples)} samples`,
      ...(accuracy
        ? [
            `accuracy ${percent(accuracy.float)} in float, ${percent(accuracy.int8)} in int8, if its outputs are ${source.classes.join(', ')}`,
          ]
        : []),
      `wrote    ${out}: ${thousands(tflite.length)} B`,
      `next: npx tinytrain train --model ${out}${again(args, series ? input : undefined)}`,
    );
  } finally {
    line.clear();
  }
}

/** `quantise MODEL` */
export const quantiseModel = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'quantise <float>',
  describe: 'turn a float .onnx or .tflite into an int8 .tflite, with your own samples',
  builder: (args: Argv<object>) =>
    args
      .positional('float', { describe: 'a float .onnx or .tflite', type: 'string', demandOption: true })
      .options(optionsOf('quantise'))
      .example(
        'npx tinytrain quantise model.onnx --data images --out model.tflite',
        'an int8 model, to be trained and compiled',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
