import { join } from 'node:path';
import type { SampleSet } from '../data/dataset.js';
import { fittingOf } from '../data/origin.js';
import { repeatedText } from '../data/repeated.js';
import { frontText } from '../data/series/sound.js';
import { defaultResidualBits, tasks } from '../defaults.js';
import { duration, thousands } from '../format.js';
import { embeddedModels, type Model } from '../model/model.js';
import { memoryTable } from '../report/memory.js';
import { comparisonTable, frontTable, predictionText, triedTable } from '../report/search.js';
import { estimateLines } from '../report/time.js';
import type { SearchEvent, SearchResult } from '../search/types.js';
import { modelText } from './inputs.js';
import { shown } from './outcome.js';
import { sharesLines } from './workers.js';

/** The introduction that a search prints. */
export function searchHead(model: Model, data: SampleSet, begin: Extract<SearchEvent, { type: 'begin' }>): string {
  const { plan, threads, validation } = begin;
  const held = data.validation ? '' : `, ${thousands(validation)} of them held back`;
  const sram = plan.budgets.map(budget => thousands(budget)).join(', ');
  const { maxInstructions, maxMilliseconds } = plan;
  const limits = [
    maxInstructions === null ? [] : `${thousands(maxInstructions)} instructions`,
    maxMilliseconds === null ? [] : `${thousands(maxMilliseconds)} ms`,
  ].flat();
  const repeated = repeatedText(data);
  const most = limits.length === 0 ? '' : `, at most ${limits.join(' and ')} per step`;
  return [
    `model    ${modelText(model)}`,
    `data     ${data.source} (${data.classes.length} classes, ${thousands(data.train.size)} samples${held}, ${thousands(data.test.size)} for the test)`,
    ...(repeated === undefined ? [] : [`warning  ${repeated}`]),
    `budget   ${sram} B of SRAM in total${most}   seed ${plan.seed}   threads ${threads}`,
    '',
  ].join('\n');
}

/** A convolution in words, by its number. */
export function layerText({ description }: Model): (layer: number) => string {
  return layer => {
    const found = description.layers.find(({ conv }) => conv === layer);
    if (!found) return '';
    const channels = `${found.inputs[0]?.[2] ?? ''}->${found.output[2]}`;
    return `${found.kernel?.join('x') ?? ''}${found.depthwise ? ' depthwise' : ''}, ${channels}`;
  };
}

/** The options with which `compile` uses the same model, input and samples. */
function again({ description }: Model, { origin, plan, residualBits }: SearchResult): string {
  const { model, input, data } = origin;
  const { guessed } = description.input;
  const folder = data.origin && data.origin.kind !== 'drawn' ? data.origin : undefined;
  const { resize, camera, crop } = fittingOf(folder);
  const cut = folder?.kind === 'series' ? folder : undefined;
  const own = data.origin?.kind === 'drawn' ? (data.origin.task ?? tasks[0]) : undefined;
  const task = own ?? tasks.find(each => embeddedModels[each] === model.path) ?? tasks[0];
  const options = [
    task !== tasks[0] && `--task ${task}`,
    model.path !== embeddedModels[task] && `--model ${shown(model.path)}`,
    model.format === 'pkl' && `--input ${input.shape[0]}x${input.shape[1]}`,
    (!guessed || cut) && `--mean ${input.mean.join(',')} --std ${input.std.join(',')}`,
    folder && `--data ${shown(folder.folder)}`,
    resize !== undefined && resize !== 'stretch' && `--resize ${resize}`,
    camera && `--camera ${camera.columns}x${camera.rows}`,
    crop && `--crop ${crop.columns}x${crop.rows}${crop.left === undefined ? '' : `+${crop.left}+${crop.top ?? 0}`}`,
    cut && cut.window !== null && `--window ${cut.window}`,
    cut && cut.hop !== null && `--hop ${cut.hop}`,
    cut?.front && `--front ${frontText(cut.front)}`,
    folder?.skipBad && '--skip-bad',
    plan.feed !== 'whole' && `--feed ${plan.feed}`,
    plan.seed !== 0 && `--seed ${plan.seed}`,
    residualBits !== defaultResidualBits && `--residual-bits ${residualBits}`,
  ];
  return options.flatMap(option => (option ? [`${option} `] : [])).join('');
}

/** The report of a completed search. */
export function searchReport(
  model: Model,
  { result, workers }: Pick<Extract<SearchEvent, { type: 'done' }>, 'result' | 'workers'>,
  out: string,
  seconds: number,
): string {
  const { front, budget, memory, leftOut, plan } = result;
  const several = front.length > 1 ? [frontTable(front, result.baselines), ''] : [];
  const judged = front.flatMap(point => [comparisonTable(point), '']);
  const words = [...judged, predictionText(result)].filter((text, i, all) => text !== '' || all[i - 1]);
  const left = leftOut.length > 0 ? ['skipped for lack of time', ...leftOut.map(line => `  ${line}`), ''] : [];
  return [
    triedTable(result),
    '',
    ...several,
    ...(words.length > 0 ? [...words, ''] : []),
    memoryTable(memory, { budget, flash: plan.flash ?? undefined }),
    '',
    ...left,
    ...estimateLines(result),
    '',
    `found    ${result.scheme}, ${result.residualBits} residual bits`,
    `time     ${duration(seconds)}, ${thousands(result.evaluations)} candidates planned, ${thousands(result.trials.length)} training runs`,
    ...(workers ? sharesLines(workers) : []),
    '',
    `wrote ${shown(out)}: scheme.json, search.json, program.ttp, contributions.svg`,
    `next: npx tinytrain compile ${again(model, result)}--scheme ${shown(join(out, 'scheme.json'))} --target ${shown(plan.target)} --out firmware`,
  ].join('\n');
}
