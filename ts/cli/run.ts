import type { Argv, CommandModule } from 'yargs';
import { type RunFirmwareResult, type RunProgress, runFirmware } from '../device/run.js';
import { percent, thousands } from '../format.js';
import { costsIfThere, costsText } from '../program/costs-file.js';
import { timeText } from '../report/time.js';
import { checkTarget, writeTarget } from './files.js';
import { optionsOf } from './options.js';
import { exitCodes, type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments {
  folder: string;
  steps?: number;
  predictions?: number;
  lr?: number;
  lrHead?: number;
  port?: string;
  baud?: number;
  timeout?: number;
  line?: 'semihosting' | 'uart' | 'host';
  calibrate?: string;
  json: boolean;
}

function show(line: ProgressLine, { phase, done, total, loss }: RunProgress): void {
  line.show(phase, done, total, loss === undefined ? '' : `loss ${loss.toFixed(3)}, device = host`);
}

function figures({ instructions, time, predictedInstructions }: RunFirmwareResult): string[] {
  const known = instructions !== null && predictedInstructions !== null;
  const counted = instructions
    ? [
        `inference  ${thousands(instructions.inference)} instructions`,
        `training   ${thousands(instructions.trainStep)} instructions per step${known ? `, ${thousands(predictedInstructions)} predicted` : ''}`,
      ]
    : [];
  const timed = time
    ? [`time       inference ${timeText(time.inference)}`, `           training ${timeText(time.trainStep, ' a step')}`]
    : [];
  return [...counted, ...timed];
}

/** Which of what inner loops touch lies in fast memory, on a board that has some. */
function placement({ placement: place }: RunFirmwareResult): string[] {
  if (!place) return [];
  const { steps, fast, beyond } = place.scratch;
  const most = Math.max(0, ...beyond.map(({ bytes }) => bytes));
  const rest = beyond.length === 0 ? '' : `; ${beyond.length} beyond, up to ${thousands(most)} B each`;
  return [
    `fast       ${thousands(place.fast.length)} B hold the stack and the scratch of ${fast} of ${steps} steps${rest}`,
  ];
}

function report(result: RunFirmwareResult): string {
  const { linked, planned, steps, predictions, accuracy, stackPainted, difference } = result;
  const used = stackPainted === null ? '' : `, ${thousands(stackPainted)} B used`;
  const memory = linked
    ? [
        `build      ${result.compiler ?? ''}`,
        `SRAM       ${thousands(linked.sram)} B, as planned; ${thousands(linked.stack)} B of it stack${used}`,
        `flash      ${thousands(linked.flash)} B, planned at most ${thousands(planned.flash)} B`,
        ...placement(result),
      ]
    : [];
  const outcome = difference
    ? `${difference.where}: the device differs\n  device ${JSON.stringify(difference.device)}\n  host   ${JSON.stringify(difference.host)}`
    : `${thousands(steps)} steps, ${thousands(predictions)} predictions: every bit equal`;
  return [
    ...memory,
    `board      ${result.board}`,
    ...figures(result),
    `accuracy   ${percent(accuracy.device)} on ${thousands(accuracy.samples)} samples not used for training; on the host ${percent(accuracy.host)}`,
    `checksum   ${result.checksum}`,
    outcome,
  ].join('\n');
}

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const line = new ProgressLine();
  try {
    const { folder, json, calibrate: path, timeout } = args;
    const { steps, predictions, lr, lrHead, port, baud } = args;
    // A table that is there is calibrated further; anything else is refused.
    if (path !== undefined) await checkTarget(path, true);
    const calibrate = path === undefined ? undefined : ((await costsIfThere(path)) ?? true);
    const onProgress = (progress: RunProgress) => show(line, progress);
    const result = await runFirmware(folder, {
      ...{ steps, predictions, lr, lrHead, port, baud, line: args.line },
      timeoutMs: timeout && timeout * 1000,
      calibrate,
      signal,
      onProgress,
    });
    line.clear();
    if (path !== undefined && result.costs) await writeTarget(path, costsText(result.costs), true);
    if (json) printJson(result);
    else print(report(result), ...(path === undefined ? [] : [`wrote ${path}: npx tinytrain search --costs ${path}`]));
    if (!result.equal) process.exitCode = exitCodes.failure;
  } finally {
    line.clear();
  }
}

/** `run` */
export const run = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'run <folder>',
  describe: 'build a firmware, run it in QEMU or on a board, and compare it with the host bit by bit',
  builder: (args: Argv<object>) =>
    args
      .positional('folder', {
        describe: 'folder of a firmware, written by `compile`',
        type: 'string',
        demandOption: true,
      })
      .options(optionsOf('run'))
      .example('npx tinytrain run firmware --steps 200', '200 training steps in QEMU') as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
