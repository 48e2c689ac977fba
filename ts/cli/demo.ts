import { join } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import type { SampleSet } from '../data/dataset.js';
import { type Task, tasks } from '../defaults.js';
import { firmwareFiles, writeFirmware } from '../device/firmware.js';
import { strideOrder } from '../device/order.js';
import { type RunFirmwareResult, runFirmware } from '../device/run.js';
import { requireTool } from '../device/toolchain.js';
import { removeFolder, removeIfEmpty } from '../disk.js';
import { TinytrainError } from '../errors.js';
import { checkNames, inOwnFolder } from '../folder.js';
import { duration, thousands } from '../format.js';
import { options } from '../options.js';
import { estimateOf, type PerPass, type Time } from '../program/costs.js';
import type { Program } from '../program/program.js';
import { type CoursePoint, courseFigure, courseTable } from '../report/course.js';
import { timeText } from '../report/time.js';
import { type Course, courseOf } from '../train/course.js';
import { openProgram, type ProgramArguments } from './inputs.js';
import { optionsOf } from './options.js';
import { exitCodes, type Interrupt, newFolder, print, printJson, shown } from './outcome.js';
import { ProgressLine } from './progress.js';

interface Arguments extends ProgramArguments {
  minutes?: number;
  'device-steps'?: number | 'all';
  out?: string;
  json: boolean;
}

/** The schemes that `search --budget 256k` finds for the embedded default, and `search --task gestures --budget 32k`. */
export const schemesOfTasks: Readonly<Record<Task, string>> = {
  images: 'bias:19,3:1,5:1,6:1,8:1,9:1,11:1,12:1,14:1,15:1,17:1,18:1',
  gestures: 'bias:15,1:1,2:1,3:1/4,5:1,6:1,8:1,9:1,11:1,12:1',
};
/** Test samples that QEMU classifies after them. */
const PREDICTIONS = 50;
const files = { record: 'demo.json', figure: 'accuracy.svg' };
const firmwareFolder = 'firmware';

/** The time of a board, in training steps. */
interface BoardTime {
  readonly minutes: number;
  /** The likely time of a step decides on the steps. */
  readonly time: PerPass<Time>;
  readonly steps: number;
}

/** The number of steps that a board takes in some minutes at `milliseconds` a step. */
function stepsIn(minutes: number, milliseconds: number): number {
  return Math.floor((minutes * 60_000) / milliseconds);
}

function boardTime(minutes: number, program: Program): BoardTime {
  const { time } = estimateOf(program);
  if (!time) {
    throw new TinytrainError(
      'COSTS_MISSING',
      `no cycles are known of the core of ${program.limits.target}, so that nothing can be said of time`,
    );
  }
  return { minutes, time, steps: stepsIn(minutes, time.trainStep.milliseconds.likely) };
}

/** The steps at the end of each minute, from 0 on. */
function minuteMarks({ minutes, time }: BoardTime): number[] {
  return Array.from({ length: minutes + 1 }, (_, minute) => stepsIn(minute, time.trainStep.milliseconds.likely));
}

function pointsOf(board: BoardTime, { marks }: Course): CoursePoint[] {
  return minuteMarks(board).flatMap((step, minute) => {
    const mark = marks.find(one => one.step === step);
    return mark ? [{ minute, ...mark }] : [];
  });
}

/** Why nothing runs in QEMU here; undefined if it does. */
async function whyNoDevice(): Promise<string | undefined> {
  try {
    for (const tool of ['make', 'compiler', 'qemu'] as const) await requireTool(tool);
    return undefined;
  } catch (error) {
    if (!(error instanceof TinytrainError)) throw error;
    const [install] = error.details.help ?? [];
    return install === undefined ? error.message : `${error.message} (${install})`;
  }
}

/** The first steps of a course, repeated by the firmware in QEMU. */
interface Repeated {
  readonly run: RunFirmwareResult;
  /** Whether it ended, after these steps, with the state of the course, bit for bit. */
  readonly equal: boolean;
}

async function repeated(
  folder: string,
  steps: number,
  board: BoardTime,
  course: Course,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<Repeated> {
  const { head, backbone } = course.rates;
  const run = await runFirmware(folder, {
    steps,
    schedule: board.steps,
    predictions: PREDICTIONS,
    lr: backbone,
    lrHead: head,
    signal,
    onProgress: ({ phase, done, total, loss }) =>
      line.show(`QEMU: ${phase}`, done, total, loss === undefined ? '' : `loss ${loss.toFixed(3)}, device = host`),
  });
  const mark = course.marks.find(({ step }) => step === steps);
  return { run, equal: run.equal && run.checksum === mark?.checksum };
}

function deviceText(found: Repeated | undefined, why: string | undefined, program: Program): string {
  if (!found) {
    const reason = why ?? 'no step was asked for';
    return `QEMU     not run: ${reason}; the accuracies are those of the host, which computes the same bits`;
  }
  const { run, equal } = found;
  if (!equal) return 'QEMU     the device differs from the host';
  const { linked, instructions } = run;
  const memory = linked
    ? `; ${thousands(linked.sram)} B of SRAM linked, ${thousands(program.memory.sram.total)} planned`
    : '';
  const counted = instructions ? `; ${thousands(instructions.trainStep)} instructions a step` : '';
  return `QEMU     the first ${thousands(run.steps)} steps and ${thousands(run.predictions)} predictions: every bit equal${memory}${counted}`;
}

function introduction(model: string, data: SampleSet, program: Program, board: BoardTime): string {
  const { sram, flash } = program.memory;
  const { low, high } = board.time.trainStep.milliseconds;
  const span = (ms: number) => duration((board.steps * ms) / 1000);
  return [
    `model    ${model}`,
    `data     ${data.source} (${data.classes.length} classes, ${thousands(data.train.size)} samples, ${thousands(data.test.size)} for the test)`,
    `scheme   ${program.scheme}, ${program.residualBits} residual bits`,
    `memory   ${thousands(sram.total)} B of SRAM, at most ${thousands(flash.total)} B of flash on ${program.limits.target}`,
    `step     ${timeText(board.time.trainStep)}`,
    `minutes  ${board.minutes}: ${thousands(board.steps)} steps; they may take ${span(low)} to ${span(high)}`,
    '',
  ].join('\n');
}

async function work(args: Arguments, signal: AbortSignal): Promise<void> {
  const line = new ProgressLine();
  const began = performance.now();
  const say = (text: string) => {
    line.clear();
    if (!args.json) print(text);
  };
  const out = args.out ?? newFolder('demo');
  const folder = join(out, firmwareFolder);
  let written = false;
  try {
    await checkNames(out, [...Object.values(files), firmwareFolder], 'a demo');
    if (args.model !== undefined && args.scheme === undefined) {
      throw new TinytrainError('USAGE', 'with a --model of your own, a --scheme is needed: what to train', {
        help: ['such as --scheme bias:10, or the scheme.json of a search'],
      });
    }
    const {
      scheme = schemesOfTasks[args.task ?? tasks[0]],
      target = options.targetOfDemo.default,
      budget = options.budgetOfDemo.default,
    } = args;
    const { minutes = options.minutes.default, 'device-steps': repeat = options.deviceSteps.default } = args;
    const { model, data, program } = await openProgram({ ...args, scheme, target, budget }, signal, line);
    const board = boardTime(minutes, program);
    say(introduction(model, data, program, board));
    const wanted = repeat === 'all' ? board.steps : Math.min(repeat, board.steps);
    const at = [...new Set([...minuteMarks(board), wanted])].sort((a, b) => a - b);
    const course = await courseOf(program, data, {
      steps: board.steps,
      order: strideOrder(data.train.size, data.train.size),
      at,
      threads: args.threads,
      signal,
      onProgress: ({ phase, done, total }) => line.show(phase, done, total),
    });
    const points = pointsOf(board, course);
    say(`${courseTable(points)}\n`);
    written = true;
    await writeFirmware(folder, await firmwareFiles(program, data, target));
    const why = wanted === 0 ? undefined : await whyNoDevice();
    const runs = wanted > 0 && why === undefined;
    const found = runs ? await repeated(folder, wanted, board, course, signal, line) : undefined;
    const title = `Training for ${thousands(minutes)} minutes of ${target}`;
    const result = {
      model: program.model.name,
      data: { source: data.source, classes: data.classes, train: data.train.size, test: data.test.size },
      scheme: program.scheme,
      residualBits: program.residualBits,
      target,
      memory: program.memory,
      time: board.time,
      minutes: board.minutes,
      steps: board.steps,
      rates: course.rates,
      course: points,
      device: found ? { ...found.run, equal: found.equal } : null,
      deviceSkipped: found ? null : (why ?? 'no step was asked for'),
      seconds: (performance.now() - began) / 1000,
      out,
    };
    await inOwnFolder(out, own =>
      own.write(
        new Map([
          [files.record, `${JSON.stringify(result, null, 2)}\n`],
          [files.figure, courseFigure(title, [{ name: program.model.name, points }])],
        ]),
      ),
    );
    line.clear();
    if (args.json) printJson(result);
    else {
      print(
        deviceText(found, why, program),
        `time     ${duration(result.seconds)}`,
        '',
        `wrote ${shown(out)}: ${files.record}, ${files.figure}, ${firmwareFolder}`,
      );
    }
    if (found && !found.equal) process.exitCode = exitCodes.failure;
  } catch (error) {
    line.clear();
    if (!(error instanceof TinytrainError) || error.code !== 'ABORTED') throw error;
    if (written) {
      await removeFolder(folder);
      await removeIfEmpty(out).catch(() => {});
    }
    const help = ['nothing of it is kept: start it again'];
    throw new TinytrainError('ABORTED', error.message, { ...error.details, help }, error);
  } finally {
    line.clear();
  }
}

/** `demo` */
export const demo = (interrupt: Interrupt): CommandModule<object, Arguments> => ({
  command: 'demo',
  describe: 'what some minutes of training on a board are worth: accuracy on test images, minute by minute',
  builder: (args: Argv<object>) =>
    args
      .options(optionsOf('demo'))
      .example('npx tinytrain demo', 'the embedded default, ten minutes of an STM32F746')
      .example('npx tinytrain demo --task gestures --minutes 2', 'the embedded gestures')
      .example(
        'npx tinytrain demo --model mynet.tflite --data images --scheme bias:10 --minutes 5',
        'your own model and images',
      ) as unknown as Argv<Arguments>,
  handler: args => work(args, interrupt.signal),
});
