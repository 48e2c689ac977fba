import type { Argv, CommandModule } from 'yargs';
import { firmwareFiles, writeFirmware } from '../device/firmware.js';
import { thousands } from '../format.js';
import { defaultTarget } from '../program/memory.js';
import { memoryTable } from '../report/memory.js';
import { openProgram, type ProgramArguments, programOptions } from './inputs.js';
import { commonOptions } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments extends ProgramArguments {
  target: string;
  out: string;
  json: boolean;
}

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const line = new ProgressLine();
  try {
    const { model, data, program } = await openProgram(args, signal, line);
    const { target } = args;
    const files = await firmwareFiles(program, data, target);
    const written = await writeFirmware(args.out, files);
    line.clear();
    const { memory } = program;
    if (args.json) {
      printJson({
        out: args.out,
        target,
        program: program.hash,
        scheme: program.scheme,
        memory,
        files: [...files.keys()],
        written,
      });
      return;
    }
    const unchanged = files.size - written.length;
    print(
      `model    ${model.description.name}, ${data.classes.length} classes`,
      `scheme   ${program.scheme}, ${program.residualBits} residual bits`,
      '',
      memoryTable(memory, args),
      '',
      `wrote ${args.out}: ${thousands(written.length)} files${unchanged > 0 ? `; ${unchanged} in app/ left unchanged` : ''}`,
      `next: npx tinytrain run ${args.out}    or: make -C ${args.out}`,
    );
  } finally {
    line.clear();
  }
}

/** `compile` */
export const compile = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'compile',
  describe: 'write a firmware project that predicts and keeps learning on a microcontroller',
  builder: (args: Argv<object>) =>
    args
      .options({
        ...programOptions,
        target: {
          describe: 'board whose memory it must fit into: its name, or the folder of your own board',
          type: 'string',
          requiresArg: true,
          default: defaultTarget,
        },
        out: { describe: 'folder of the firmware', type: 'string', requiresArg: true, default: 'firmware' },
        ...commonOptions,
      })
      .example(
        'npx tinytrain compile --data images --scheme bias:10 --out firmware',
        'the default model, for your own images',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
