import { duration, percent, thousands } from '../format.js';
import { type Html, html } from './html.js';
import type { Progress, SearchingEntry, TrainingEntry } from './live.js';
import { accuracy, bar, chart, keys, scrolled } from './page-parts.js';
import { contributionsPart } from './page-search.js';

/** Progress in words. */
export function progressText(progress: Progress | null): string {
  if (!progress) return 'preparing';
  const { what, done, total } = progress;
  return `${what}, ${thousands(done)} of ${thousands(total)}`;
}

/** What the command does at the moment, above everything else. */
export function progressPart(progress: Progress | null): Html {
  const { done = 0, total = 0, note = '', left = null } = progress ?? {};
  const more = [note, left === null ? '' : `about ${duration(left)} left in total`].filter(text => text !== '');
  return html`<div id="live"><p><strong>Live: ${progressText(progress)}</strong>${more.length > 0 && html`<br><span class="dim">${more.join('; ')}</span>`}</p>
${bar(total > 0 ? done / total : 0)}</div>
`;
}

/** A training run as far as it has come. */
export function trainingPart({ runs }: TrainingEntry, number: number): Html {
  const last = runs.at(-1);
  if (!last) return html`<p>The first step has yet to come.</p>`;
  const { seed, steps, total, before, curve, heldOut } = last;
  const point = curve.at(-1);
  const look = heldOut.points.at(-1);
  const several = runs.length > 1;
  const held = `${heldOut.samples} of the ${heldOut.on} images`;
  const latest = [
    `${percent(before.accuracy)} of the test images before training`,
    ...(point ? [`loss ${point.loss.toFixed(3)} over the steps up to ${thousands(point.step)}`] : []),
    ...(look ? [`${percent(look.accuracy)} of ${held} after step ${thousands(look.step)}`] : []),
  ];
  return html`<p><span class="big">Step ${thousands(steps)} of ${thousands(total)}</span>${several && ` with seed ${seed}, the ${runs.length}. run`}</p>
<p>${latest.join('; ')}</p>
<h3>Learning curve</h3>
${
  several
    ? html`<p class="dim">A colour a seed; solid: training, each image before its update; dashed: ${held}.</p>`
    : keys([
        ['c0', 'training: mean since the point before, each image before its update'],
        ['c1', `held out: ${held}`],
      ])
}
${chart('loss', number, 'loss')} ${chart('accuracy', number, 'accuracy')}`;
}

function latestTable({ latest }: SearchingEntry): Html {
  const spread = latest.some(({ by }) => by !== null);
  const rows = latest.map(
    ({ trial, by }) =>
      html`<tr><td class="wrap">${trial.scheme}</td><td>${trial.residualBits}</td><td>${trial.seed}</td><td>${thousands(trial.steps)}</td><td class="left">${
        trial.on === 'test' ? 'test' : 'held back'
      }</td><td>${percent(trial.accuracy)}</td><td>${trial.loss.toFixed(3)}</td>${spread && html`<td class="left">${by && `${by.host}, process ${by.process}`}</td>`}</tr>`,
  );
  return scrolled(
    'latest training runs',
    html`<table><thead><tr><th>scheme</th><th>bits</th><th>seed</th><th>steps</th><th class="left">images</th><th>accuracy</th><th>loss</th>${spread && html`<th class="left">worker</th>`}</tr></thead><tbody>${rows}</tbody></table>`,
  );
}

function finalistsTable({ finalists }: SearchingEntry): Html {
  if (finalists.length === 0) return html``;
  const rows = finalists.map(
    ({ name, sram, instructions, milliseconds, validation, scheme }) =>
      html`<tr><td>${name}</td><td>${thousands(sram)}</td><td>${(instructions / 1e6).toFixed(1)} M</td><td>${milliseconds?.toFixed(
        milliseconds < 10 ? 1 : 0,
      )}</td><td>${accuracy(validation)}</td><td class="wrap">${scheme}</td></tr>`,
  );
  return html`<h3>Finalists</h3>
${scrolled('finalists', html`<table><thead><tr><th>scheme</th><th>SRAM, B</th><th>instructions</th><th>ms, about</th><th>held back</th><th class="left">trains</th></tr></thead><tbody>${rows}</tbody></table>`)}`;
}

/** A search as far as it has come. */
export function searchingPart(entry: SearchingEntry, number: number): Html {
  const { plan, runs, workers, contributions } = entry;
  const budgets = plan.budgets.map(budget => thousands(budget)).join(', ');
  return html`<p><span class="big">${thousands(runs)} training runs</span> so far, within ${budgets} B of SRAM${workers !== '' && `; ${workers}`}</p>
<h3>Accuracy against what a step takes</h3>
${keys([
  ['c0', 'found'],
  ['c1', 'baseline'],
  ['c3', 'random'],
  [
    'dim',
    `analysis: ${thousands(plan.trialSteps)} steps where the others have ${thousands(plan.proofSteps)}; each after its round`,
  ],
])}
${chart('front', number, 'front')}
${finalistsTable(entry)}
${contributions && contributionsPart(contributions)}
<h3>Latest training runs</h3>
${latestTable(entry)}`;
}
