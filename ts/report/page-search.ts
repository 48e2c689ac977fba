import { duration, thousands } from '../format.js';
import type { WorkerShares } from '../search/crew.js';
import type { Contributions, FrontPoint, Proved } from '../search/types.js';
import { contributionFigure } from './contributions.js';
import type { SearchEntry } from './data.js';
import { Html, html } from './html.js';
import { accuracy, chart, keys, scrolled } from './page-parts.js';

function row(one: Proved, chosen: FrontPoint | undefined): Html {
  const { name, scheme, sram, instructions, milliseconds, accuracy: found } = one;
  const name2 = chosen ? `${name}, for ${thousands(chosen.budget)} B` : name;
  return html`<tr${chosen && html` class="chosen"`}><td>${name2}</td><td>${thousands(sram)}</td><td>${(instructions / 1e6).toFixed(1)} M</td><td>${
    milliseconds === null ? '' : milliseconds.toFixed(milliseconds < 10 ? 1 : 0)
  }</td><td>${accuracy(found.validation)}</td><td>${accuracy(found.test)}</td><td class="wrap">${scheme}</td></tr>`;
}

function comparisonsTable({ name, budget, comparisons }: FrontPoint): Html {
  const others = comparisons.filter(({ kind }) => kind !== 'found');
  if (others.length === 0) return html``;
  const rows = others.map(({ name: other, difference: { mean, standardError, seeds } }) => {
    const error = standardError === null ? '' : ` ± ${(standardError * 100).toFixed(1)}`;
    return html`<tr><td>over ${other}</td><td>${mean < 0 ? '−' : '+'}${Math.abs(mean * 100).toFixed(1)}${error}</td><td>${seeds}</td></tr>`;
  });
  const table = html`<table><thead><tr><th></th><th>points</th><th>seeds</th></tr></thead><tbody>${rows}</tbody></table>`;
  return html`<p class="dim">${name}, within ${thousands(budget)} B: points of test accuracy over others, by seed</p>
${scrolled('differences', table)}`;
}

/** What a search has found, accuracy against what each scheme takes, and every finalist. */
export function finalistsPart({ search, trained }: SearchEntry, number: number): Html {
  const { front, baselines, plan, evaluations } = search;
  // With several budgets, a scheme found for a smaller one is among the baselines of the largest, too.
  const chosen = (one: Proved) => front.find(point => point.name === one.name);
  const names = new Set(front.map(({ name }) => name));
  const all = [...front, ...baselines.filter(({ name }) => !names.has(name))];
  const rows = all.sort((a, b) => a.accuracy.validation.mean - b.accuracy.validation.mean);
  const runs = trained.reduce((sum, one) => sum + one.accuracy.seeds, 0);
  const short = `analysis: ${thousands(plan.trialSteps)} steps where the others have ${thousands(plan.proofSteps)}`;
  return html`<p><span class="big">${accuracy(search.accuracy.test ?? search.accuracy.validation)}</span> ${search.accuracy.test ? 'on test images' : 'on held-back images'} within ${thousands(search.budget)} B of SRAM; ${thousands(evaluations)} candidates planned, ${thousands(runs)} training runs</p>
${search.leftOut.length > 0 && html`<p class="warning">Skipped for lack of time: ${search.leftOut.join('; ')}</p>`}
<h3>Accuracy against what a step takes</h3>
${keys([
  ['chosen', 'chosen for a budget (dashed)'],
  ['c0', 'found'],
  ['c1', 'baseline'],
  ['c3', 'random'],
  ['dim', short],
])}
${chart('front', number, 'front')}
<h3>Finalists</h3>
${scrolled('finalists', html`<table><thead><tr><th>scheme</th><th>SRAM, B</th><th>instructions</th><th>ms, about</th><th>held back</th><th>test</th><th class="left">trains</th></tr></thead><tbody>${rows.map(one => row(one, chosen(one)))}</tbody></table>`)}
${front.map(comparisonsTable)}`;
}

/** What biases and single convolutions contribute; `scheme` marks what it trains. */
export function contributionsPart(contributions: Contributions, scheme?: string): Html {
  const measured = contributions.biases.length + contributions.layers.length > 0;
  return html`<h3>Contributions of layers</h3>
${measured ? scrolled('contributions of layers', new Html(contributionFigure(contributions, scheme))) : html`<p>Nothing was measured.</p>`}`;
}

/** Who has made the training runs of a search. */
export function workersPart({ runs, own, again, workers }: WorkerShares): Html {
  const threads = workers.reduce((sum, one) => sum + one.threads, 0);
  const retries =
    again.runs === 0
      ? 'none was begun twice'
      : `${thousands(again.runs)} were begun again, ${thousands(again.times)} times in total, as a worker had ended amid them`;
  const rows = workers.map(
    one =>
      html`<tr><td>${one.host}, process ${one.process}</td><td>${one.threads}</td><td>${thousands(one.runs)}</td><td>${duration(one.seconds)}</td></tr>`,
  );
  const self = own > 0 && html`<tr><td>this process</td><td></td><td>${thousands(own)}</td><td></td></tr>`;
  return html`<h3>Workers</h3>
<p>${workers.length} with ${threads} threads in all; of ${thousands(runs)} training runs ${retries}.</p>
${scrolled('workers', html`<table><thead><tr><th>worker</th><th>threads</th><th>training runs</th><th>time they took</th></tr></thead><tbody>${rows}${self}</tbody></table>`)}`;
}
