import { duration, percent, thousands } from '../format.js';
import { estimate } from '../search/statistics.js';
import type { RunResult } from '../train/types.js';
import { curveRows } from './curve.js';
import type { Entry, RunsEntry } from './data.js';
import { type Html, html } from './html.js';
import { accuracy, bar, chart, facts, keys, scrolled } from './page-parts.js';

/** The shade of a share, of four. */
function shade(share: number): string {
  return share <= 0 ? '' : String(Math.min(4, 1 + Math.floor(share * 4)));
}

function confusionTable({ confusion, data }: RunResult): Html {
  const { classes } = data;
  const rows = confusion.map((row, label) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    const cells = row.map((count, taken) => {
      const kind = shade(total === 0 ? 0 : count / total);
      const name = kind === '' ? '' : (taken === label ? 's' : 'w') + kind;
      return html`<td class="${name}" title="${classes[label]} taken for ${classes[taken]}: ${count} of ${total}">${count === 0 ? '' : count}</td>`;
    });
    return html`<tr><th scope="row" class="side" title="${classes[label]}">${classes[label]}</th>${cells}</tr>`;
  });
  const heads = classes.map(name => html`<th scope="col" class="name"><span title="${name}">${name}</span></th>`);
  const table = html`<table class="confusion"><thead><tr><td></td>${heads}</tr></thead><tbody>${rows}</tbody></table>`;
  return html`<p class="dim">Rows: the class of a test image; columns: what it was taken for.</p>
${scrolled('confusion matrix', table)}`;
}

function classTable({ accuracy: { byClass } }: RunResult): Html {
  const rows = byClass.map(
    ({ class: name, samples, accuracy: share }) =>
      html`<tr><td>${name}</td><td>${samples}</td><td>${samples === 0 ? '' : percent(share)}</td><td class="bar">${bar(share)}</td></tr>`,
  );
  return scrolled(
    'accuracy of each class',
    html`<table><thead><tr><th>class</th><th>images</th><th>right</th><th></th></tr></thead><tbody>${rows}</tbody></table>`,
  );
}

function seedsTable(runs: readonly RunResult[]): Html {
  const rows = runs.map(
    ({ seed, accuracy: { before, after }, loss }) =>
      html`<tr><td>${seed}</td><td>${percent(before)}</td><td>${percent(after)}</td><td>${loss.after.toFixed(3)}</td></tr>`,
  );
  return scrolled(
    'runs by seed',
    html`<table><thead><tr><th>seed</th><th>before</th><th>after</th><th>loss after</th></tr></thead><tbody>${rows}</tbody></table>`,
  );
}

function curveTable(run: RunResult): Html {
  const rows = curveRows(run).map(({ step, point, look }) => {
    const cells = [
      point?.loss.toFixed(3),
      point && percent(point.accuracy),
      look?.loss.toFixed(3),
      look && percent(look.accuracy),
    ];
    return html`<tr><td>${thousands(step)}</td>${cells.map(cell => html`<td>${cell}</td>`)}</tr>`;
  });
  return html`<details><summary>The curve as a table</summary>${scrolled(
    'learning curve',
    html`<table><thead><tr><th>step</th><th>loss</th><th>accuracy</th><th>held-out loss</th><th>held-out accuracy</th></tr></thead><tbody>${rows}</tbody></table>`,
  )}</details>`;
}

/** The accuracy of runs on test images. */
function after(runs: readonly RunResult[]): string {
  return accuracy(estimate(runs.map(run => run.accuracy.after)));
}

/** Result, learning curve and confusion of a training run, or of several that differ in their seed. */
export function runsPart({ runs }: RunsEntry, number: number): Html {
  const [first] = runs;
  if (!first) return html``;
  const { steps, seconds, rates, kept, saturation } = first;
  const several = runs.length > 1;
  const before = accuracy(estimate(runs.map(run => run.accuracy.before)));
  const seeds = several ? `, over ${runs.length} seeds` : '';
  const { on, samples } = first.heldOut;
  return html`<p><span class="big">${after(runs)}</span> of ${thousands(first.accuracy.samples)} test images, from ${before} before training${seeds}</p>
${first.warnings.map(({ message }) => html`<p class="warning">${message}</p>`)}
${facts([
  [
    'steps',
    `${thousands(steps)} in ${duration(seconds)}${kept < steps ? `; the state of step ${thousands(kept)} was kept` : ''}`,
  ],
  [
    'rates',
    `head ${Number(rates.head.toPrecision(3))}, backbone ${Number(rates.backbone.toPrecision(3))} (${rates.why})`,
  ],
  ['saturated', `${thousands(saturation.total)} gradient elements; 0 is best, a run warns where they are too many`],
  ['checksum', first.checksum],
])}
${several && seedsTable(runs)}
<h3>Learning curve</h3>
${
  !several &&
  keys([
    ['c0', 'training: mean since the point before, each image before its update'],
    ['c1', `held out: ${samples} of the ${on} images`],
  ])
}
${several && html`<p class="dim">A colour a seed; solid: training, each image before its update; dashed: ${samples} of the ${on} images.</p>`}
${chart('loss', number, 'loss')} ${chart('accuracy', number, 'accuracy')} ${curveTable(first)}
<h3>Accuracy of each class${several && `, seed ${first.seed}`}</h3>
${classTable(first)}
<h3>Confusion${several && `, seed ${first.seed}`}</h3>
${confusionTable(first)}`;
}

/** The worst mistakes of a run, as the model saw them. */
export function mistakesPart({ mistakes, runs }: RunsEntry): Html {
  const head = html`<h3>Worst mistakes${runs.length > 1 && `, seed ${runs[0]?.seed}`}</h3>`;
  if (mistakes.worst === null) return html`${head}<p>They cannot be shown: ${mistakes.why}</p>`;
  if (mistakes.of === 0) return html`${head}<p>There are none.</p>`;
  const items = mistakes.worst.map(
    ({ name, class: own, taken, score, image }) =>
      html`<li>${image !== null && html`<img src="${image}" alt="${own} taken for ${taken}">`}<strong>${own} &rarr; ${taken}</strong>${percent(score)} sure<br><span class="dim">${name}</span></li>`,
  );
  return html`${head}<p class="dim">The ${mistakes.worst.length} of ${mistakes.of} wrong predictions of test images that the model was surest of, as it sees them; predicted anew with the state of the run.</p>
<ul class="mistakes">${items}</ul>`;
}

const entryAccuracy = (entry: Entry): string => {
  if (entry.kind === 'runs') return after(entry.runs);
  return entry.kind === 'search' ? accuracy(entry.search.accuracy.test ?? entry.search.accuracy.validation) : '';
};

/** All folders of a report in one table, and the learning curves of all runs in one chart. */
export function overview(entries: readonly Entry[]): Html {
  if (entries.length < 2) return html``;
  const rows = entries.map(
    entry =>
      html`<tr><td>${entry.path}</td><td class="left">${entry.kind}</td><td>${thousands(entry.program.memory.sram.total)}</td><td>${
        entry.program.instructions ? `${(entry.program.instructions.trainStep / 1e6).toFixed(1)} M` : ''
      }</td><td>${entryAccuracy(entry)}</td><td class="wrap">${entry.program.scheme}</td></tr>`,
  );
  const runs = entries.filter(entry => entry.kind === 'runs');
  const curves =
    runs.length > 1 &&
    html`<h3>Learning curves</h3><p class="dim">Solid: training, each image before its update; dashed: held out. Point at a step for the values of every run.</p>
${keys(runs.flatMap(entry => entry.runs.map(run => [entry.path, run.seed] as const)).map(([path, seed], i) => [`c${i % 8}`, `${path}, seed ${seed}`]))}
${chart('all-loss', 0, 'loss of all runs')} ${chart('all-accuracy', 0, 'accuracy of all runs')}`;
  return html`<section class="folder overview" aria-labelledby="all"><h2 id="all">${entries.length} folders</h2>
${scrolled('all folders', html`<table><thead><tr><th>folder</th><th class="left">kind</th><th>SRAM, B</th><th>instructions a step</th><th>test accuracy</th><th class="left">scheme</th></tr></thead><tbody>${rows}</tbody></table>`)}
${curves}</section>`;
}
