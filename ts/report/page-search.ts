import { thousands } from '../format.js';
import type { FrontPoint, Proved } from '../search/types.js';
import type { SearchEntry } from './data.js';
import { type Html, html } from './html.js';
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
  return html`<table><caption>${name}, within ${thousands(budget)} B: points of test accuracy over others, by seed</caption><thead><tr><th></th><th>points</th><th>seeds</th></tr></thead><tbody>${rows}</tbody></table>`;
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
  const short = `analysis: ${thousands(plan.trialSteps)} steps where the others have ${thousands(plan.proofSteps)}; only their SRAM is known`;
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
${front.map(point => scrolled('differences', comparisonsTable(point)))}`;
}
