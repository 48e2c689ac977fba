import { thousands } from '../format.js';
import type { BufferKind } from './buffers.js';
import type { ProgramFigures } from './data.js';
import { type Html, html } from './html.js';
import type { Layer, Learns } from './network.js';
import { bar, chart, keys, scrolled } from './page-parts.js';

const kinds: Readonly<Record<BufferKind, string>> = {
  input: 'input',
  activation: 'activation',
  saved: 'activation saved for the backward pass',
  mask: 'mask',
  gradient: 'gradient',
  scratch: 'scratch',
  other: 'logits and error',
};

const learns: Readonly<Record<Learns, string>> = {
  nothing: 'not trained',
  biases: 'biases trained',
  weights: 'weights trained',
  head: 'head, always trained',
};

function learnsText({ learns: what, share, weights, biases }: Layer): string {
  if (what === 'nothing') return '';
  const of = share === null || share === '1' ? '' : ` (${share} of the input channels)`;
  const both = [
    weights > 0 ? `${thousands(weights)} weights${of}` : '',
    biases > 0 ? `${thousands(biases)} biases` : '',
  ];
  return both.filter(text => text !== '').join(', ');
}

/** What was frozen and what learned, drawn on the network. */
export function networkPart({ layers }: ProgramFigures): Html {
  const frozen = layers.filter(layer => layer.frozen).length;
  const note =
    frozen > 0
      ? `The first ${frozen} of ${layers.length} layers, dashed, give the same for an image in every step: nothing in them learns.`
      : 'No layer stays the same for an image: learning reaches the first one.';
  const items = layers.map(
    layer =>
      html`<li class="${layer.learns}${layer.frozen ? ' frozen' : ''}" title="${layer.sizes}"><b>${layer.label}</b>${layer.sizes.split(', ')[0]}<br>${learnsText(layer)}</li>`,
  );
  return html`<h3>What learns</h3>
${keys((['nothing', 'biases', 'weights', 'head'] as const).map(kind => [kind, learns[kind]]))}
<ol class="network">${items}</ol>
<p class="dim">${note}</p>`;
}

function itemsTable({ memory }: ProgramFigures, region: 'sram' | 'flash'): Html {
  const { total, available } = memory[region];
  const items = memory.items.filter(item => item.region === region);
  const rows = items.map(
    ({ name, bytes, exact }) =>
      html`<tr><td>${name}</td><td>${thousands(bytes)}</td><td class="left">${exact ? '' : 'at most'}</td><td class="bar">${bar(bytes / total)}</td></tr>`,
  );
  const fits = total <= available ? '' : ': does not fit';
  const name = region === 'sram' ? 'SRAM' : 'flash';
  return scrolled(
    `${name}, item by item`,
    html`<table><caption>${name} of ${memory.target}, bytes</caption><tbody>${rows}
<tr class="total"><td><strong>total</strong></td><td><strong>${thousands(total)}</strong></td><td class="left">${items.every(({ exact }) => exact) ? '' : 'at most'}</td><td class="left">of ${thousands(available)}${fits}</td></tr></tbody></table>`,
  );
}

/** Bytes on the board, and the map of the arena over the steps. */
export function memoryPart(figures: ProgramFigures, number: number): Html {
  const { arenaBytes, lowerBound, steps, buffers } = figures;
  const order = Object.keys(kinds) as BufferKind[];
  const present = order.filter(kind => buffers.some(buffer => buffer.kind === kind));
  const rows = [...buffers]
    .sort((a, b) => b.size - a.size)
    .map(({ name, kind, size, offset, windows }) => {
      const when = `${windows[0]?.start ?? 0} to ${(windows.at(-1)?.end ?? 1) - 1}`;
      return html`<tr><td>${name}</td><td class="left">${kinds[kind]}</td><td>${thousands(size)}</td><td>${thousands(offset)}</td><td>${when}</td></tr>`;
    });
  return html`<h3>Memory</h3>
${itemsTable(figures, 'sram')} ${itemsTable(figures, 'flash')}
<h3>Memory map of the arena</h3>
<p class="dim">${thousands(arenaBytes)} B over ${thousands(steps.length)} steps; no arena can be smaller than ${thousands(lowerBound)} B.</p>
${keys(present.map(kind => [kind, kinds[kind]]))}
${chart('memory', number, 'memory map')}
<details><summary>All ${buffers.length} buffers as a table</summary>${scrolled(
    'buffers',
    html`<table><thead><tr><th>buffer</th><th class="left">kind</th><th>bytes</th><th>from byte</th><th>steps</th></tr></thead><tbody>${rows}</tbody></table>`,
  )}</details>`;
}
