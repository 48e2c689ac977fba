import type { Argv, CommandModule } from 'yargs';
import { images, recordings } from '../data/kind.js';
import { samplesUnder } from '../data/walk.js';
import { percent, table } from '../format.js';
import { options } from '../options.js';
import { Predictor } from '../train/predict.js';
import type { Prediction } from '../train/predictions.js';
import { openRun } from '../train/run.js';
import { optionsOf } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments {
  run: string;
  images: string[];
  top?: number;
  json: boolean;
}

/** The classes with the largest scores, with these scores. */
function best(prediction: Prediction, classes: readonly string[], count: number): string[] {
  const order = prediction.scores
    .map((score, i) => ({ score, name: classes[i] ?? '' }))
    .sort((a, b) => b.score - a.score);
  return order.slice(0, count).map(({ score, name }) => `${name} ${percent(score)}`);
}

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const { top = options.top.default } = args;
  const line = new ProgressLine();
  try {
    const predictor = await Predictor.open(await openRun(args.run));
    const kind = predictor.input.series ? recordings : images;
    const files = (await Promise.all(args.images.map(path => samplesUnder(path, kind)))).flat();
    const predictions = await predictor.predict(files, {
      signal,
      onProgress: ({ done, total }) => line.show('samples', done, total),
    });
    line.clear();
    if (args.json) printJson({ classes: predictor.classes, predictions });
    else
      print(
        table(
          predictions.map(found => [found.name, ...best(found, predictor.classes, top)]),
          '',
        ),
      );
  } finally {
    line.clear();
  }
}

/** `predict RUN IMAGE...` */
export const predict = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'predict <run> <images..>',
  describe: 'classify images with the model that a run has trained',
  builder: (args: Argv<object>) =>
    args
      .positional('run', { describe: 'folder of a training run', type: 'string', demandOption: true })
      .positional('images', {
        describe: 'images or recordings, or folders of them, also with folders in them',
        type: 'string',
        array: true,
        demandOption: true,
      })
      .options(optionsOf('predict'))
      .example(
        'npx tinytrain predict runs/train-20260101-120000 cat.jpg',
        'the most likely classes of an image',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
