import sharp from 'sharp';
import yargs from 'yargs';
import { TinytrainError } from '../errors.js';
import { version } from '../version.js';
import { board } from './board.js';
import { compare } from './compare.js';
import { compile } from './compile.js';
import { demo } from './demo.js';
import { device } from './device.js';
import { doctor } from './doctor.js';
import { exportModel } from './export.js';
import { inspect } from './inspect.js';
import { checkFlags, setFlags } from './options.js';
import { fail, Interrupt } from './outcome.js';
import { personalise } from './personalise.js';
import { predict } from './predict.js';
import { quantiseModel } from './quantise.js';
import { report } from './report.js';
import { run } from './run.js';
import { search } from './search.js';
import { train } from './train.js';
import { worker } from './worker.js';

/** Runs the command line; sets the process's exit code. */
export async function main(args: readonly string[]): Promise<void> {
  // One thread per image, many images at a time; and nothing is read twice.
  sharp.concurrency(1);
  sharp.cache(false);
  const json = args.includes('--json');
  const interrupt = new Interrupt();
  // As other tools have it: `help train` is `train --help`.
  const given = args[0] === 'help' ? [...args.slice(1), '--help'] : [...args];
  const parser = yargs(given)
    .scriptName('tinytrain')
    // A value is what its option reads in its text, and no number before that.
    .parserConfiguration({ 'parse-numbers': false, 'parse-positional-numbers': false })
    .middleware(setFlags)
    .usage(
      '$0 COMMAND\n\nTraining on a microcontroller: trains on the host with the device’s own integers, and compiles the firmware.',
    )
    .command(demo(interrupt))
    .command(inspect(interrupt))
    .command(search(interrupt))
    .command(worker(interrupt))
    .command(train(interrupt))
    .command(personalise(interrupt))
    .command(predict(interrupt))
    .command(compare)
    .command(report(interrupt))
    .command(exportModel(interrupt))
    .command(quantiseModel(interrupt))
    .command(compile(interrupt))
    .command(board(interrupt))
    .command(run(interrupt))
    .command(device(interrupt))
    .command(doctor)
    .demandCommand(1, 'a command is needed')
    .recommendCommands()
    .strict()
    .version(version)
    .help()
    .alias('h', 'help')
    .wrap(Math.min(120, process.stdout.columns ?? 100))
    .epilogue('npx tinytrain COMMAND --help shows the options of a command and an example.')
    .exitProcess(false)
    .fail((message, error) => {
      // Errors thrown by commands arrive here too; those of the parser itself are named YError.
      if (error && error.name !== 'YError') throw error;
      const text = error?.message ?? message;
      const why = /^Did you mean (.*)\?$/.exec(text);
      throw new TinytrainError('USAGE', why ? `there is no command ${given[0]}: did you mean ${why[1]}?` : text, {
        help: ['npx tinytrain --help'],
      });
    });
  try {
    checkFlags(given);
    await parser.parseAsync();
  } catch (error) {
    process.exitCode = fail(error, json);
  } finally {
    interrupt.dispose();
  }
}
