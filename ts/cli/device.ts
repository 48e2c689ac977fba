import type { Argv, CommandModule } from 'yargs';
import { decodeImage } from '../data/images/decode.js';
import { imageFolder } from '../data/images/folder.js';
import { encodeSaved, parseSaved } from '../device/device.js';
import { flash } from '../device/flash.js';
import { strideOrder } from '../device/order.js';
import { type OpenBoard, openBoard, pixelsOf, placesOf } from '../device/port.js';
import { TinytrainError } from '../errors.js';
import { readAny } from '../files.js';
import { percent, thousands } from '../format.js';
import { meanLoss } from '../loss.js';
import { options } from '../options.js';
import { checkTarget, writeTarget } from './files.js';
import { optionsOf } from './options.js';
import { type Interrupt, print, printJson } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments {
  port: string;
  baud?: number;
  timeout?: number;
  firmware?: string;
  json: boolean;
}

/** What one of the commands prints: an object for programs, lines for people. */
interface Said {
  readonly value: unknown;
  readonly lines: readonly string[];
}

/** What the commands have in common: the board is opened, asked, and closed again, whatever happens. */
async function withBoard(
  args: Arguments,
  signal: AbortSignal,
  ask: (board: OpenBoard, line: ProgressLine) => Promise<Said>,
): Promise<void> {
  const line = new ProgressLine();
  const { port, baud, firmware, timeout, json } = args;
  const board = await openBoard(port, { baud, firmware, timeoutMs: timeout && timeout * 1000, signal });
  try {
    const { value, lines } = await ask(board, line);
    line.clear();
    if (json) printJson(value);
    else print(...lines);
  } finally {
    line.clear();
    await board.device.close();
  }
}

function classText({ classes, identity }: OpenBoard): string {
  return classes ? `${classes.length}: ${classes.join(', ')}` : `${identity.classes}, whose names --firmware knows`;
}

async function identify(args: Arguments, signal: AbortSignal): Promise<void> {
  await withBoard(args, signal, async board => {
    const { identity, model, classes, device } = board;
    const counters = await device.counters();
    const { steps, saturated, checksum, stackPainted } = counters;
    const used = stackPainted === 0 ? '' : `, ${thousands(stackPainted)} B used`;
    return {
      value: { ...identity, model: model ?? null, classNames: classes ?? null, counters },
      lines: [
        `board    ${identity.board}, a clock of ${identity.clockHz / 1e6} MHz`,
        `program  ${identity.program}`,
        ...(model === undefined ? [] : [`model    ${model}`]),
        `input    ${identity.shape.join('x')}`,
        `classes  ${classText(board)}`,
        `state    ${thousands(steps)} training steps, ${thousands(saturated)} saturated, checksum ${checksum.toString(16).padStart(8, '0')}`,
        `memory   arena ${thousands(identity.arenaBytes)} B, state ${thousands(identity.stateBytes)} B, stack ${thousands(identity.stackBytes)} B${used}`,
      ],
    };
  });
}

/** Probabilities come in Q0.31. */
const SCORE_UNIT = 2 ** 31;

async function predict(args: Arguments & { readonly images: string[] }, signal: AbortSignal): Promise<void> {
  await withBoard(args, signal, async ({ device, input, fitting, nameOf }, line) => {
    const predictions: { name: string; class: string; label: number; scores: number[] }[] = [];
    for (const image of args.images) {
      line.show('images', predictions.length, args.images.length);
      const pixels = pixelsOf(await decodeImage(image, input, fitting));
      const { predicted, scores } = await device.predict(pixels, 'rgb888');
      const shares = scores.map(score => score / SCORE_UNIT);
      predictions.push({ name: image, class: nameOf(predicted), label: predicted, scores: shares });
    }
    return {
      value: { predictions },
      lines: predictions.map(
        ({ name, class: found, label, scores }) => `${name}  ${found} ${percent(scores[label] ?? 0)}`,
      ),
    };
  });
}

interface TrainArguments extends Arguments {
  images: string;
  steps?: number;
  lr?: number;
  lrHead?: number;
}

/** Number of steps over which losses and hits are averaged at the beginning and at the end. */
const WINDOW = 20;

async function train(args: TrainArguments, signal: AbortSignal): Promise<void> {
  const source = await imageFolder(args.images);
  await withBoard(args, signal, async (board, line) => {
    const { device, input, fitting } = board;
    const places = placesOf(board, source.classes);
    const listed = source.parts.train;
    const { steps: total = options.stepsOnBoard.default, lr = options.lrOnDevice.default, lrHead = lr } = args;
    const steps: { readonly loss: number; readonly right: boolean }[] = [];
    // The classes mixed, and each image once before any of them comes again.
    const order = strideOrder(listed.length, listed.length);
    await device.beginSchedule({ head: lrHead, backbone: lr }, total);
    for (let step = 0; step < total; step++) {
      const { name, label } = listed[order[step % order.length] ?? 0] ?? { name: '', label: 0 };
      const pixels = pixelsOf(await decodeImage(name, input, fitting));
      const place = places[label] ?? 0;
      const { loss, predicted } = await device.train(pixels, place, 'scheduled', 'rgb888');
      steps.push({ loss: meanLoss(loss), right: predicted === place });
      line.show('training', step + 1, total, `loss ${meanLoss(loss).toFixed(3)}`);
    }
    const last = await device.counters();
    const mean = (part: typeof steps) => ({
      loss: part.reduce((sum, { loss }) => sum + loss, 0) / Math.max(1, part.length),
      right: part.filter(({ right }) => right).length / Math.max(1, part.length),
    });
    const [first, final] = [mean(steps.slice(0, WINDOW)), mean(steps.slice(-WINDOW))];
    const text = ({ loss, right }: typeof first) =>
      `loss ${loss.toFixed(3)}, ${percent(right)} right before the update`;
    const n = Math.min(WINDOW, steps.length);
    return {
      value: { steps: total, first, last: final, counters: last },
      lines: [
        `first ${n} steps  ${text(first)}`,
        `last ${n} steps   ${text(final)}`,
        `state    ${thousands(last.steps)} training steps, checksum ${last.checksum.toString(16).padStart(8, '0')}`,
        `next: npx tinytrain device save learned.state --port ${args.port}`,
      ],
    };
  });
}

async function save(
  args: Arguments & { readonly file: string; readonly overwrite: boolean },
  signal: AbortSignal,
): Promise<void> {
  await checkTarget(args.file, args.overwrite);
  await withBoard(args, signal, async ({ device }) => {
    const saved = await device.save();
    const content = encodeSaved(saved);
    await writeTarget(args.file, content, args.overwrite);
    const { steps, program } = saved;
    return {
      value: { file: args.file, bytes: content.length, steps, program },
      lines: [`wrote ${args.file}: ${thousands(content.length)} B, the state after ${thousands(steps)} training steps`],
    };
  });
}

async function keep(args: Arguments, signal: AbortSignal): Promise<void> {
  await withBoard(args, signal, async ({ device }) => {
    const { steps, checksum } = await device.keep();
    return {
      value: { steps, checksum },
      lines: [
        `the board keeps the state after ${thousands(steps)} training steps over a reset, checksum ${checksum.toString(16).padStart(8, '0')}`,
      ],
    };
  });
}

async function check(args: Arguments, signal: AbortSignal): Promise<void> {
  await withBoard(args, signal, async ({ device }) => {
    const health = await device.check();
    const { state, constants, restored, fault } = health;
    if (!state || !constants) {
      const what = constants ? 'a bit of the trainable state' : 'a bit of the constants in flash';
      throw new TinytrainError('DEVICE_CORRUPT', `${args.port}: ${what} has changed`, {
        ...health,
        help: [
          constants
            ? 'the board went on from the state in its flash, or from its initial one; `device load` gives it a saved state'
            : 'write the firmware again: npx tinytrain device flash',
        ],
      });
    }
    const hex = (value: number) => `0x${value.toString(16).padStart(8, '0')}`;
    const last = fault && `, the last one at ${hex(fault.place)}, cause ${hex(fault.cause)} (docs/device.md)`;
    return {
      value: health,
      lines: [
        'state and constants are intact',
        `the state was put back ${thousands(restored)} times since the last reset`,
        `${thousands(fault?.count ?? 0)} faults since power was switched on${last ?? ''}`,
      ],
    };
  });
}

async function load(args: Arguments & { readonly file: string }, signal: AbortSignal): Promise<void> {
  const content = await readAny(args.file, 'the state cannot be read');
  const saved = parseSaved(content, args.file);
  await withBoard(args, signal, async ({ device, identity }) => {
    if (saved.program !== identity.program) {
      throw new TinytrainError('STATE_DIFFERS', `${args.file}: the state of another program than that of the board`, {
        path: args.file,
        state: saved.program,
        board: identity.program,
      });
    }
    await device.load(saved);
    const { checksum, steps } = await device.counters();
    return {
      value: { file: args.file, steps, checksum },
      lines: [
        `the board goes on after ${thousands(steps)} training steps, checksum ${checksum.toString(16).padStart(8, '0')}`,
      ],
    };
  });
}

async function write(
  args: { readonly folder: string; readonly port?: string; readonly json: boolean },
  signal: AbortSignal,
): Promise<void> {
  const line = new ProgressLine();
  try {
    line.show('flash', 0, 1);
    const { target, elf, command } = await flash(args.folder, { port: args.port, signal });
    line.clear();
    if (args.json) printJson({ target, elf, command });
    else print(`wrote ${elf} to the ${target}: ${command}`);
  } finally {
    line.clear();
  }
}

const file = (describe: string) => ({ describe, type: 'string', demandOption: true }) as const;

/** `device COMMAND` */
export const device = (interrupt: Interrupt): CommandModule<object, object> => {
  const handler =
    <T>(act: (args: T, signal: AbortSignal) => Promise<void>) =>
    (args: unknown) =>
      act(args as T, interrupt.signal);
  return {
    command: 'device',
    describe: 'use a board over its serial port: identify, check, predict, train, save, load, keep, flash',
    builder: (args: Argv<object>) =>
      args
        .command(
          'identify',
          'what runs on the board: program, classes, state',
          (y: Argv) => y.options(optionsOf('device identify')),
          handler(identify),
        )
        .command(
          'check',
          'make the board check its state and its constants, and say which faults it had',
          (y: Argv) => y.options(optionsOf('device check')),
          handler(check),
        )
        .command(
          'predict <images..>',
          'classify images on the board',
          (y: Argv) => y.positional('images', { ...file('images'), array: true }).options(optionsOf('device predict')),
          handler(predict),
        )
        .command(
          'train <images>',
          'train on the board with a folder of images, one subfolder per class',
          (y: Argv) =>
            y
              .positional('images', file('a folder with one subfolder of images per class'))
              .options(optionsOf('device train')),
          handler(train),
        )
        .command(
          'save <file>',
          'write what the board has learned into a file',
          (y: Argv) => y.positional('file', file('the file')).options(optionsOf('device save')),
          handler(save),
        )
        .command(
          'load <file>',
          'make the board go on from a file that save has written',
          (y: Argv) => y.positional('file', file('the file')).options(optionsOf('device load')),
          handler(load),
        )
        .command(
          'keep',
          'save what the board has learned in its flash: a firmware of `compile --store`',
          (y: Argv) => y.options(optionsOf('device keep')),
          handler(keep),
        )
        .command(
          'flash [folder]',
          'build a firmware and write it to the board, with the tool that its board.toml names',
          (y: Argv) =>
            y
              .positional('folder', { describe: 'folder of the firmware', type: 'string', default: 'firmware' })
              .options(optionsOf('device flash')),
          handler(write),
        )
        .demandCommand(1, 1, 'a command for the board is needed: identify, predict, train, save, load, keep or flash')
        .strict(),
    handler: () => {},
  };
};
