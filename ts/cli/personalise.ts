import { join } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { TinytrainError } from '../errors.js';
import { personalise as personaliseUsers } from '../fleet/personalise.js';
import type { Summary } from '../fleet/summary.js';
import { duration, percent, table, thousands } from '../format.js';
import { loadModel } from '../model/model.js';
import type { Augmentation } from '../options.js';
import type { Keep } from '../train/types.js';
import { modelFile, modelText, type ProgramArguments } from './inputs.js';
import { normalisationOf, optionsOf } from './options.js';
import { exitCodes, type Interrupt, newFolder, print, printJson, shown } from './outcome.js';
import { ProgressLine } from './progress.js';
import { missingWorkers, workersText } from './workers.js';

interface Arguments extends Omit<ProgramArguments, 'data'> {
  users: string;
  epochs?: number;
  steps?: number;
  lr?: number | 'auto';
  lrHead?: number | 'auto';
  balance: boolean;
  keep?: Keep;
  augment?: Augmentation;
  'replay-steps'?: number;
  'with-firmware': boolean;
  workers?: string;
  out?: string;
  json: boolean;
}

/** How many users that failed are named. */
const NAMED = 10;

function report({ users, failed, accuracy, worse, people }: Summary, out: string, seconds: number): string {
  const row = (name: string, { mean, least, most }: { mean: number; least: number; most: number }) => [
    name,
    percent(mean),
    percent(least),
    percent(most),
  ];
  const lines = [
    `${thousands(people.length)} of ${thousands(users)} users in ${duration(seconds)}`,
    ...(accuracy
      ? [
          '',
          table(
            [['accuracy', 'mean', 'least', 'most'], row('before', accuracy.before), row('after', accuracy.after)],
            ' ',
          ),
        ]
      : []),
    ...(worse > 0 ? [`${thousands(worse)} have a lower accuracy than before training`] : []),
    ...failed.slice(0, NAMED).map(({ user, message }) => `failed   ${user}: ${message}`),
    ...(failed.length > NAMED ? [`failed   ${thousands(failed.length - NAMED)} more, in the summary`] : []),
    '',
    `wrote ${shown(out)}: ${join(shown(out), 'summary.json')}, and a run for each user`,
    ...(people[0] ? [`next: npx tinytrain compile --run ${join(shown(out), people[0].user)} --out firmware`] : []),
  ];
  return lines.join('\n');
}

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const line = new ProgressLine();
  const began = performance.now();
  const {
    users,
    out = newFolder('personalise'),
    input,
    scheme,
    seed,
    budget,
    flash,
    target,
    feed,
    replay,
    head,
  } = args;
  const {
    resize,
    camera,
    crop,
    window,
    hop,
    front,
    epochs,
    steps,
    lr,
    lrHead,
    balance,
    keep,
    augment,
    threads,
    workers,
  } = args;
  const normalisation = normalisationOf(args);
  const model = await loadModel(modelFile(args), { input, normalisation });
  const options = {
    ...{
      out,
      scheme,
      seed,
      budget,
      flash,
      target,
      feed,
      replay,
      head,
      residualBits: args['residual-bits'],
      normalisation,
    },
    ...{
      resize,
      camera,
      crop,
      window,
      hop,
      front,
      skipBad: args['skip-bad'],
      replaySteps: args['replay-steps'],
      epochs,
      steps,
      lr,
      lrHead,
      balance,
      keep,
      augment,
    },
    ...{ withFirmware: args['with-firmware'], threads, workers, signal },
  };
  let [total, fresh, crew] = [0, 0, ''];
  try {
    for await (const event of personaliseUsers(model, users, options)) {
      if (event.type === 'begin') {
        total = event.users;
        if (!args.json) print(`model    ${modelText(model)}`, `users    ${thousands(total)} in ${users}`, '');
      } else if (event.type === 'workers') {
        crew = workersText(event.workers);
        const help = missingWorkers(event);
        if (help !== undefined) process.stderr.write(`${help}\n`);
      } else if (event.type === 'done') {
        line.clear();
        const seconds = (performance.now() - began) / 1000;
        if (args.json) printJson({ ...event.summary, seconds, run: out });
        else print(report(event.summary, out, seconds));
        if (event.summary.failed.length > 0) process.exitCode = exitCodes.failure;
      } else {
        if (event.type === 'user' && event.isNew) fresh++;
        const rate = fresh / ((performance.now() - began) / 1000);
        line.show(
          'users',
          event.done,
          total,
          [crew, `${rate.toFixed(1)} a second`].filter(part => part !== '').join('  '),
        );
      }
    }
  } catch (error) {
    line.clear();
    if (!(error instanceof TinytrainError) || error.code !== 'ABORTED') throw error;
    const help = [`the same command with --out ${shown(out)} goes on`];
    throw new TinytrainError('ABORTED', error.message, { run: out, help }, error);
  } finally {
    line.clear();
  }
}

/** `personalise` */
export const personalise = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'personalise <users>',
  describe: 'train one model for many users, each with the samples in a folder of their own',
  builder: (args: Argv<object>) =>
    args
      .positional('users', {
        describe: 'a folder with a folder per user, which has one subfolder of samples per class',
        type: 'string',
        demandOption: true,
      })
      .options(optionsOf('personalise'))
      .conflicts('epochs', 'steps')
      .example('npx tinytrain personalise users --scheme bias:4 --out people', 'a run per user')
      .example(
        'npx tinytrain personalise users --out people --workers redis://10.0.0.1:6379',
        'the same, trained by workers on other machines',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
