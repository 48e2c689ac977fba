import { basename, dirname, extname, resolve } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import type { Dataset } from '../data/dataset.js';
import { TinytrainError } from '../errors.js';
import { makeFolder, replaceFile } from '../files.js';
import { percent, thousands } from '../format.js';
import { type FloatModel, loadFloatModel } from '../model/float.js';
import { type Model, modelFrom } from '../model/model.js';
import { openSource, type ProgramArguments, programOptions, readOptions } from './inputs.js';
import { commonOptions, modelOptions, normalisationOf, whole } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments
  extends Pick<ProgramArguments, 'data' | 'input' | 'mean' | 'std' | 'seed' | 'threads' | 'resize' | 'skip-bad'> {
  float: string;
  samples: number;
  out?: string;
  json: boolean;
}

/** As many of the samples, spread over all of them. */
function spread(data: Dataset, most: number): Dataset {
  const count = Math.min(most, data.size);
  return data.subset(Array.from({ length: count }, (_, i) => Math.floor((i * data.size) / count)));
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
  test: Dataset,
  classes: readonly string[],
  options: { threads: number | undefined; signal: AbortSignal },
) {
  const some = spread(test, COMPARED);
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

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const line = new ProgressLine();
  try {
    const float = await loadFloatModel(args.float, { input: args.input, normalisation: normalisationOf(args) });
    const source = await openSource(args);
    if (source.normalise) {
      throw new TinytrainError('UNSUPPORTED', `${args.data}: recordings; a float model is quantised with images only`, {
        help: ['quantise it with the tool that exported it, and give the int8 .tflite to --model'],
      });
    }
    const data = await source.read(float.input, readOptions(args.threads, signal, line));
    line.clear();
    const samples = spread(data.train, args.samples);
    const { tflite, method, agreement } = await float.quantise(samples, { threads: args.threads, signal });
    signal.throwIfAborted();
    const out = args.out ?? `${basename(args.float, extname(args.float))}.int8.tflite`;
    const model = await modelFrom(out, tflite);
    const test = await compared(float, model, data.test, data.classes, { threads: args.threads, signal });
    signal.throwIfAborted();
    await makeFolder(dirname(resolve(out)));
    await replaceFile(out, tflite);
    const { name, format, input, assumed } = float;
    if (args.json) {
      printJson({
        model: name,
        format,
        input: { shape: [input.height, input.width, input.channels], mean: input.mean, std: input.std, assumed },
        samples: samples.size,
        method,
        heldBack: agreement,
        test,
        out,
        bytes: tflite.length,
      });
      return;
    }
    const { accuracy } = test;
    print(
      `model    ${name} (${format}, float), ${[input.height, input.width, input.channels].join('x')}`,
      `input    real = (pixel - ${input.mean}) / ${input.std}${assumed ? ' (assumed; --mean and --std say otherwise)' : ''}`,
      `samples  ${thousands(samples.size)} training samples of ${data.source}`,
      `int8     weights with a scale for each channel; activations over ${method}`,
      `test     the class of the float model on ${percent(test.agreement)} of ${thousands(test.samples)} samples`,
      ...(accuracy
        ? [
            `accuracy ${percent(accuracy.float)} in float, ${percent(accuracy.int8)} in int8, if its outputs are ${data.classes.join(', ')}`,
          ]
        : []),
      `wrote    ${out}: ${thousands(tflite.length)} B`,
      `next: npx tinytrain train --model ${out}${args.data === undefined ? '' : ` --data ${args.data}`}`,
    );
  } finally {
    line.clear();
  }
}

const { data, seed, threads, resize, 'skip-bad': skipBad } = programOptions;

/** `quantise MODEL` */
export const quantise = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'quantise <float>',
  describe: 'turn a float .onnx or .tflite into an int8 .tflite, with your own samples',
  builder: (args: Argv<object>) =>
    args
      .positional('float', { describe: 'a float .onnx or .tflite', type: 'string', demandOption: true })
      .options({
        data,
        ...modelOptions,
        samples: {
          describe: 'training samples from which scales are found, at most',
          type: 'string',
          requiresArg: true,
          default: 128,
          coerce: whole('samples', 1),
        },
        out: {
          describe: 'the int8 .tflite',
          type: 'string',
          requiresArg: true,
          defaultDescription: 'NAME.int8.tflite',
        },
        seed,
        threads,
        resize,
        'skip-bad': skipBad,
        ...commonOptions,
      })
      .example(
        'npx tinytrain quantise model.onnx --data images --out model.tflite',
        'an int8 model, to be trained and compiled',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
