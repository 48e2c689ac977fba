import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { createRequire } from 'node:module';
import { contributionFigure } from './contributions.js';
import type { Entry, FirmwareEntry, ReportData, RunsEntry, SearchEntry } from './data.js';
import { Html, html, jsonScript } from './html.js';
import { estimateText, facts, scrolled } from './page-parts.js';
import { memoryPart, networkPart } from './page-program.js';
import { mistakesPart, overview, runsPart } from './page-runs.js';
import { finalistsPart } from './page-search.js';
import { style } from './style.js';

/** Files of other packages, and the page's own script, which a report holds whole. */
async function inlined(): Promise<{ readonly css: string; readonly scripts: readonly string[] }> {
  const { resolve } = createRequire(import.meta.url);
  const read = (path: string | URL) => fs.readFile(path, 'utf8');
  return {
    css: (await read(resolve('uplot/dist/uPlot.min.css'))) + style,
    scripts: [
      await read(resolve('uplot/dist/uPlot.iife.min.js')),
      await read(new URL('../page/page.js', import.meta.url)),
    ],
  };
}

function sourceOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/** Nothing is loaded from anywhere, and no script runs but those that the page was written with. */
function policyOf(css: string, scripts: readonly string[]): string {
  return [
    "default-src 'none'",
    'img-src data:',
    `style-src ${sourceOf(css)}`,
    `script-src ${scripts.map(sourceOf).join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

function runsBody(entry: RunsEntry, number: number): Html {
  return html`${runsPart(entry, number)} ${mistakesPart(entry)}`;
}

function searchBody(entry: SearchEntry, number: number): Html {
  const { search } = entry;
  const { contributions, prediction } = search;
  const measured = contributions.biases.length + contributions.layers.length > 0;
  const rank =
    prediction.spearman !== null &&
    html`<p>Sum of contributions against trained accuracy: rank correlation ${prediction.spearman.toFixed(2)} over ${prediction.schemes} schemes.</p>`;
  return html`${finalistsPart(entry, number)}
<h3>Contributions of layers</h3>
${measured ? scrolled('contributions of layers', new Html(contributionFigure(contributions, search.scheme))) : html`<p>Nothing was measured.</p>`} ${rank}`;
}

function firmwareBody({ target }: FirmwareEntry): Html {
  return html`<p>A firmware for the board ${target}.</p>`;
}

function bodyOf(entry: Entry, number: number): Html {
  if (entry.kind === 'runs') return runsBody(entry, number);
  return entry.kind === 'search' ? searchBody(entry, number) : firmwareBody(entry);
}

const titles = { runs: 'Training', search: 'Search', firmware: 'Firmware' } as const;

function section(entry: Entry, number: number): Html {
  const { path, kind, model, data, program } = entry;
  const words = facts([
    ['model', model],
    ['images', data],
    ['scheme', `${program.scheme}, ${program.residualBits} residual bits`],
    ...estimateText(program),
  ]);
  return html`<section class="folder" aria-labelledby="folder-${number}">
<h2 id="folder-${number}">${titles[kind]}: ${path}</h2>
${words}
${bodyOf(entry, number)}
${networkPart(program)}
${memoryPart(program, number)}
</section>`;
}

/** The page of a report: one file that needs nothing else. */
export async function reportPage(data: ReportData): Promise<string> {
  const { css, scripts } = await inlined();
  const { entries } = data;
  const title = `tinytrain: ${entries.map(({ path }) => path).join(', ')}`;
  const [library = '', own = ''] = scripts;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyOf(css, scripts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="tinytrain ${data.tinytrain}">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${new Html(css)}</style>
</head>
<body>
<h1>tinytrain</h1>
<noscript><p>Curves, the memory map and the front are drawn by a script; tables and figures are here without it.</p></noscript>
${overview(entries)}
<main class="folders">
${entries.map(section)}
</main>
<p class="dim">A value and, after ±, its standard error. Written by tinytrain ${data.tinytrain}; every figure is in this file as JSON, in the element <code>data</code>.</p>
<script type="application/json" id="data">${new Html(jsonScript(data))}</script>
<script>${new Html(library)}</script>
<script>${new Html(own)}</script>
</body>
</html>
`;
  return page.text;
}
