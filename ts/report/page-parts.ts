import type { Estimate } from '../search/types.js';
import type { ProgramFigures } from './data.js';
import { type Html, html } from './html.js';
import { estimateLines } from './time.js';

/** A place where the page's script draws a chart of an entry. */
export function chart(kind: string, number: number, label: string): Html {
  return html`<div class="chart" role="group" data-chart="${kind}" data-entry="${number}" aria-label="${label}: arrow keys read values, plus and minus zoom, 0 shows the whole"></div>`;
}

/** Something that may be wider than the page, in a box of its own that can be reached with the keyboard. */
export function scrolled(label: string, content: Html): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}">${content}</div>`;
}

/** Names and values. */
export function facts(rows: readonly (readonly [string, string])[]): Html {
  return html`<dl>${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

/** A bar of a share of 1; drawn, so that no style stands in an attribute. */
export function bar(share: number): Html {
  const width = (Math.min(1, Math.max(0, share)) * 100).toFixed(2);
  return html`<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect class="back" width="100" height="1"></rect><rect width="${width}" height="1"></rect></svg>`;
}

/** Colours and what they stand for. */
export function keys(entries: readonly (readonly [color: string, text: string])[]): Html {
  return html`<ul class="keys">${entries.map(([color, text]) => html`<li class="k-${color}">${text}</li>`)}</ul>`;
}

/** A share with its standard error: `81.4 ± 0.6 %`. */
export function accuracy(found: Estimate | null): string {
  if (!found || found.seeds === 0) return '';
  const error = found.standardError === null ? '' : ` ± ${(found.standardError * 100).toFixed(1)}`;
  return `${(found.mean * 100).toFixed(1)}${error} %`;
}

/** Instructions and time of a prediction and of a training step, as they are said elsewhere. */
export function estimateText({ instructions, time }: ProgramFigures): [string, string][] {
  if (!instructions) return [];
  const lines = estimateLines({ instructions, time }).map(line => line.split('  '));
  return lines.map(([name = '', ...rest]) => [name.trim(), rest.join('  ').trim()]);
}
