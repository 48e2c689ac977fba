import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { createRequire } from 'node:module';
import type { Entry, FirmwareEntry, ProgramFigures, ReportData, RunsEntry, SearchEntry } from './data.js';
import { Html, html, jsonScript } from './html.js';
import type { LiveData, LiveEntry } from './live.js';
import { progressPart, progressText, searchingPart, trainingPart } from './page-live.js';
import { estimateText, facts } from './page-parts.js';
import { memoryPart, networkPart } from './page-program.js';
import { mistakesPart, overview, runsPart } from './page-runs.js';
import { contributionsPart, finalistsPart, workersPart } from './page-search.js';
import { style } from './style.js';

/** Files of other packages, and the page's own script, which a report holds whole. */
async function inlined(): Promise<{ readonly css: string; readonly scripts: readonly string[] }> {
  const { resolve } = createRequire(import.meta.url);
  const read = (path: string | URL) => fs.readFile(path, 'utf8');
  return {
    css: (await read(resolve('uplot/dist/uPlot.min.css'))) + style,
    scripts: [
      `/*!\n${(await read(resolve('uplot/LICENSE'))).trim()}\n*/\n${await read(resolve('uplot/dist/uPlot.iife.min.js'))}`,
      await read(new URL('../page/page.js', import.meta.url)),
    ],
  };
}

function sourceOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/**
 * Nothing is loaded from anywhere, and no script runs but those that the page was written with. `more` is what else is allowed: a live page asks the command that it
 * is from for news.
 */
function policyOf(css: string, scripts: readonly string[], more: readonly string[]): string {
  return [
    "default-src 'none'",
    ...more,
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
  const { search, workers } = entry;
  const { contributions, prediction } = search;
  const rank =
    prediction.spearman !== null &&
    html`<p>Sum of contributions against trained accuracy: rank correlation ${prediction.spearman.toFixed(2)} over ${prediction.schemes} schemes.</p>`;
  return html`${finalistsPart(entry, number)}
${contributionsPart(contributions, search.scheme)} ${rank} ${workers && workersPart(workers)}`;
}

function firmwareBody({ target }: FirmwareEntry): Html {
  return html`<p>A firmware for the board ${target}.</p>`;
}

function bodyOf(entry: Entry, number: number): Html {
  if (entry.kind === 'runs') return runsBody(entry, number);
  return entry.kind === 'search' ? searchBody(entry, number) : firmwareBody(entry);
}

const titles = { runs: 'Training', search: 'Search', firmware: 'Firmware' } as const;

function programFacts(program: ProgramFigures): [string, string][] {
  return [['scheme', `${program.scheme}, ${program.residualBits} residual bits`], ...estimateText(program)];
}

function liveSection(entry: LiveEntry, number: number): Html {
  const { path, kind, model, data } = entry;
  const words: [string, string][] = [
    ['model', model],
    ['images', data],
  ];
  if (kind === 'searching') {
    return html`<section class="folder" aria-labelledby="folder-${number}">
<h2 id="folder-${number}">Search: ${path}</h2>
${facts(words)}
${searchingPart(entry, number)}
</section>`;
  }
  const { program } = entry;
  return html`<section class="folder" aria-labelledby="folder-${number}">
<h2 id="folder-${number}">Training: ${path}</h2>
${facts([...words, ...programFacts(program)])}
${trainingPart(entry, number)}
${networkPart(program)}
${memoryPart(program, number)}
</section>`;
}

function section(entry: Entry, number: number): Html {
  const { path, kind, model, data, program } = entry;
  const words = facts([['model', model], ['images', data], ...programFacts(program)]);
  return html`<section class="folder" aria-labelledby="folder-${number}">
<h2 id="folder-${number}">${titles[kind]}: ${path}</h2>
${words}
${bodyOf(entry, number)}
${networkPart(program)}
${memoryPart(program, number)}
</section>`;
}

/** What makes one page differ from another. */
interface Page {
  readonly data: ReportData | LiveData;
  readonly title: string;
  /** What the page may do besides. */
  readonly policy: readonly string[];
  /** Above everything else. */
  readonly head: Html;
  readonly content: Html;
}

async function pageOf({ data, title, policy, head, content }: Page): Promise<string> {
  const { css, scripts } = await inlined();
  const [library = '', own = ''] = scripts;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyOf(css, scripts, policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="tinytrain ${data.tinytrain}">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${new Html(css)}</style>
</head>
<body>
<h1>tinytrain</h1>
${head}<noscript><p>Curves, the memory map and the front are drawn by a script; tables and figures are here without it.</p></noscript>
<div id="shown">
${content}
</div>
<p class="dim">A value and, after ±, its standard error. Written by tinytrain ${data.tinytrain}; every figure is in this file as JSON, in the element <code>data</code>.</p>
<script type="application/json" id="data">${new Html(jsonScript(data))}</script>
<script>${new Html(library)}</script>
<script>${new Html(own)}</script>
</body>
</html>
`;
  return page.text;
}

/** The page of a report: one file that needs nothing else. */
export function reportPage(data: ReportData): Promise<string> {
  const { entries } = data;
  const title = `tinytrain: ${entries.map(({ path }) => path).join(', ')}`;
  const content = html`${overview(entries)}
<main class="folders">
${entries.map(section)}
</main>`;
  return pageOf({ data, title, policy: [], head: html``, content });
}

/** The page of a command that has not ended. It asks its server, and nobody else, for what is new. */
export function livePage(data: LiveData): Promise<string> {
  const { entries, progress } = data;
  const content = html`<main class="folders">
${entries.map(liveSection)}
</main>`;
  const title = `${progressText(progress)} - tinytrain`;
  return pageOf({ data, title, policy: ["connect-src 'self'"], head: progressPart(progress), content });
}
