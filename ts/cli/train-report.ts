import type { SampleSet } from '../data/dataset.js';
import { duration, percent, table, thousands } from '../format.js';
import type { Augmentation } from '../options.js';
import { estimateIfKnown } from '../program/costs.js';
import type { MemoryLimits } from '../program/memory.js';
import type { Program } from '../program/program.js';
import { keptSamples } from '../program/replay.js';
import { learningCurve } from '../report/curve.js';
import { memoryMap, memoryTable } from '../report/memory.js';
import { timeText, trainingText } from '../report/time.js';
import type { RunFolder } from '../train/run.js';
import { planOf } from '../train/train.js';
import type { FoundRates, RunResult, TrainPlan } from '../train/types.js';
import { shown } from './outcome.js';

/** Everything that a run needs, opened. */
export interface Prepared {
  /** The model in words. */
  readonly model: string;
  readonly data: SampleSet;
  readonly program: Program;
  readonly run: RunFolder;
  readonly plan: Partial<Omit<TrainPlan, 'augment'>> & {
    readonly augment?: Augmentation | undefined;
    readonly epochs?: number | undefined;
  };
}

/** What the training would take on the device: a line, if the time of the board's core is known. */
function deviceText({ program, data, plan }: Prepared): string[] {
  const time = estimateIfKnown(program)?.time?.trainStep;
  if (!time) return [];
  return [`device   ${timeText(time, ' a step')}; ${trainingText(time, planOf(program, data, plan).steps)}`];
}

/** The replay buffer of a run: a line, if there is one. */
function replayText({ program, data, plan }: Prepared): string[] {
  const { replay } = program.record;
  if (replay === null) return [];
  const taken = keptSamples(program).reduce((sum, count) => sum + count, 0);
  const { replaySteps } = planOf(program, data, plan);
  const steps = replaySteps === 0 ? 'none of them trained on' : `${replaySteps} trained on behind each new sample`;
  return [
    `replay   ${replay.places} places of ${thousands(replay.sampleBytes)} B, ${taken} taken at the start, ${steps}`,
  ];
}

/** What a run begins with. */
export function trainHead(prepared: Prepared): string {
  const { model, data, program, run } = prepared;
  const skipped = data.skipped.length > 0 ? `, ${data.skipped.length} skipped` : '';
  return [
    `model    ${model}`,
    `data     ${data.source} (${data.classes.length} classes, ${thousands(data.train.size)} + ${thousands(data.test.size)} samples${skipped})`,
    `scheme   ${program.scheme}, ${program.residualBits} residual bits, seed ${program.seed}`,
    ...replayText(prepared),
    ...deviceText(prepared),
    `run      ${shown(run.path)}`,
  ].join('\n');
}

/** A rate in three digits. */
function digits(rate: number): string {
  return String(Number(rate.toPrecision(3)));
}

/** The rates of a run: what they are, where they come from, and what was tried. */
function ratesText({ head, backbone, how, why, tried, seconds }: FoundRates): string[] {
  const words = {
    given: 'as given',
    rule: `by the rule for the size of the features: ${why}`,
    race: `${why}; all neighbours did worse; ${tried.length} runs in ${duration(seconds)}`,
  };
  const line = `rates       head ${digits(head)}, backbone ${digits(backbone)}, ${words[how]}`;
  if (tried.length === 0) return [line];
  const rows = tried.map(t => [digits(t.head), digits(t.backbone), t.steps, t.loss.toFixed(3), percent(t.accuracy)]);
  return [line, table([['head', 'backbone', 'steps', 'loss', 'held back'], ...rows], '            ')];
}

/** Accuracy by class, and what a class is mostly mistaken for. */
function classTable({ accuracy, confusion, data }: RunResult): string {
  const rows = accuracy.byClass.map((own, label) => {
    const wrong = (confusion[label] ?? []).map((count, other) => ({ count: other === label ? 0 : count, other }));
    const most = wrong.reduce((a, b) => (b.count > a.count ? b : a), { count: 0, other: 0 });
    const mistaken = most.count === 0 ? '' : `${most.count} taken for ${data.classes[most.other]}`;
    return [own.class, own.samples, own.samples === 0 ? '-' : percent(own.accuracy), mistaken];
  });
  return table(rows);
}

/** The report of a run that has ended. */
export function trainReport({ program, data }: Prepared, result: RunResult, args: MemoryLimits): string {
  const { accuracy, saturation, steps, seconds } = result;
  const skipped = data.skipped.map(({ path }) => `  ${path}`);
  const lowest = data.validation ? ': the lowest loss on the validation samples' : '';
  return [
    '',
    learningCurve(result.curve),
    '',
    memoryTable(program.memory, args),
    '',
    memoryMap(program.record),
    '',
    ...(skipped.length > 0 ? ['skipped, cannot be decoded', ...skipped, ''] : []),
    `accuracy    ${percent(accuracy.before)} -> ${percent(accuracy.after)} on ${thousands(accuracy.samples)} samples not used for training`,
    ...ratesText(result.rates),
    '',
    classTable(result),
    '',
    `steps       ${thousands(steps)} in ${duration(seconds)} (${(steps / seconds).toFixed(1)} per second)`,
    `saturated   ${thousands(saturation.total)} gradient elements${saturation.total > 0 ? '; 0 is best, a warning says when they are too many' : ''}`,
    ...(result.kept < steps ? [`kept        the state of step ${thousands(result.kept)}${lowest}`] : []),
    `checksum    ${result.checksum}`,
    ...result.warnings.map(({ message }) => `warning     ${message}`),
  ].join('\n');
}
