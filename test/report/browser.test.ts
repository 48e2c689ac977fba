import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import type { Page } from 'playwright-core';
import { percent, thousands } from '#tinytrain/format.js';
import type { ProgramFigures, ReportData, RunsEntry } from '#tinytrain/report/data.js';
import { type Box, boxOf, chromiumOf, opened, tipAt } from '../helpers/browser.js';
import { tinytrain } from '../helpers/cli.js';
import { temporary } from '../helpers/folder.js';
import { reportFolders } from '../helpers/report.js';

/** A part of both scales of a chart. */
interface View {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

/** The part of a view between shares of its width, and of its height from above. */
function within({ x, y }: View, [left, right]: readonly [number, number], [top, bottom]: readonly [number, number]) {
  const at = ([low, high]: readonly [number, number], share: number) => low + (high - low) * share;
  return { x: [at(x, left), at(x, right)], y: [at(y, 1 - bottom), at(y, 1 - top)] } as const satisfies View;
}

type Arena = Pick<ProgramFigures, 'arenaBytes' | 'steps' | 'buffers'>;

const wholeOf = ({ steps, arenaBytes }: Arena): View => ({ x: [0, steps.length], y: [0, arenaBytes] });

function bufferAt({ buffers }: Arena, { x, y }: View, left: number, top: number) {
  const step = x[0] + (x[1] - x[0]) * left;
  const byte = y[0] + (y[1] - y[0]) * (1 - top);
  return buffers.find(({ offset, windows }) =>
    windows.some(w => w.hi > w.lo && step >= w.start && step < w.end && byte >= offset + w.lo && byte < offset + w.hi),
  );
}

/** Places in a view of the map, as shares, where some pixels more or less make no difference; no two in the same buffer. */
function placesIn(map: Arena, view: View, { width, height }: Box) {
  const found = new Map<unknown, { readonly left: number; readonly top: number }>();
  for (let i = 1; i < 40; i++) {
    for (let j = 1; j < 40; j++) {
      const [left, top] = [i / 40, j / 40];
      const buffer = bufferAt(map, view, left, top);
      const near = [-4, 4].flatMap(x => [-4, 4].map(y => bufferAt(map, view, left + x / width, top + y / height)));
      if (buffer && near.every(other => other === buffer)) found.set(buffer, { left, top });
    }
  }
  return [...found.values()];
}

/** What the map has to say of a place. */
function textOf(map: Arena, view: View, left: number, top: number): string {
  const buffer = bufferAt(map, view, left, top);
  if (!buffer) return '';
  const { name, size, offset } = buffer;
  const windows = buffer.windows.filter(({ lo, hi }) => hi > lo);
  const when = `steps ${windows[0]?.start} to ${(windows.at(-1)?.end ?? 0) - 1} of ${map.steps.length}`;
  return `${name}\n${thousands(size)} B, ${when}, bytes ${thousands(offset)} to ${thousands(offset + size - 1)}`;
}

/** What a learning curve has to say of a step. */
function curveText({ runs: [run] }: RunsEntry, what: 'loss' | 'accuracy', step: number): string {
  const words = (value: number) => (what === 'loss' ? value.toFixed(3) : percent(value));
  const point = run?.curve.find(one => one.step === step);
  const look = run?.heldOut.points.find(one => one.step === step);
  return [
    `step ${thousands(step)}`,
    ...(point ? [`training, before each update: ${words(point[what])}`] : []),
    ...(look ? [`held out (${run?.heldOut.samples} of the ${run?.heldOut.on} images): ${words(look[what])}`] : []),
  ].join('\n');
}

/** Drags over a chart, between shares of its width and height. */
async function drag(page: Page, selector: string, [left, right]: [number, number], [top, bottom]: [number, number]) {
  const { x, y, width, height } = await boxOf(page, selector);
  await page.mouse.move(x + left * width, y + top * height);
  await page.mouse.down();
  await page.mouse.move(x + right * width, y + bottom * height, { steps: 4 });
  await page.mouse.up();
}

/**
 * Texts that do not fit where they stand: elements whose text is wider than they are, but for those that cut it short with an ellipsis and have the whole of it as
 * their title; parts of drawings beyond their edge; captions and bars that have to be scrolled to; names beside bars broken into many lines. A script for the browser.
 */
const overflowing = `[...document.querySelectorAll('#shown *, #shown')].flatMap(element => {
  const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim() !== '');
  const { display, textOverflow, position } = getComputedStyle(element);
  if (element.closest('.said, canvas, .uplot, title') || element.closest('details:not([open])')) return [];
  if (element.matches('.scroll:has(td.bar)') && element.scrollWidth > element.clientWidth) return ['bars: ' + element.textContent];
  if (element.matches('caption') && element.scrollWidth > element.closest('.scroll').clientWidth) return ['caption: ' + element.textContent];
  if (element.matches('tr:has(td.bar) > *') && element.clientHeight > 75) return ['broken: ' + element.textContent];
  if (!own) return [];
  if (element instanceof SVGElement) {
    const [box, edge] = [element.getBoundingClientRect(), element.ownerSVGElement.getBoundingClientRect()];
    const fits = box.left >= edge.left - 1 && box.right <= edge.right + 1 && box.top >= edge.top - 1 && box.bottom <= edge.bottom + 1;
    return fits ? [] : ['drawing: ' + element.textContent];
  }
  if (display === 'inline' || position === 'absolute') return [];
  if (textOverflow === 'ellipsis' && element.title === element.textContent) return [];
  const fits = element.scrollWidth <= element.clientWidth + 1 && element.scrollHeight <= element.clientHeight + 1;
  return fits ? [] : [element.tagName + ': ' + element.textContent];
})`;

test('a report opens in a browser without errors or requests; hover, zoom and keyboard work, narrow and wide, light and dark', async t => {
  const browser = await chromiumOf(t);
  if (!browser) {
    t.pass();
    return;
  }
  const folder = await temporary(t);
  const folders = await reportFolders(folder);
  const { code, stdout, stderr } = await tinytrain(['report', ...folders, '--out', 'report.html', '--json'], folder);
  t.is(code, 0, stderr);
  const { entries } = JSON.parse(stdout) as ReportData;
  const [run] = entries;
  if (run?.kind !== 'runs') throw new Error('the first folder is a run');
  const url = pathToFileURL(join(folder, 'report.html')).href;
  for (const [width, dark] of [
    [400, false],
    [400, true],
    [800, true],
    [1400, false],
    [1600, true],
  ] as const) {
    const { page, wrong, asked } = await opened(t, browser, url, width, dark);
    await page.waitForSelector('.chart canvas');
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    t.is(overflow, 0, `at ${width} the page is wider than its window`);
    t.deepEqual(await page.evaluate(overflowing), [], `at ${width} texts do not fit`);
    const drawn = await page.locator('.chart canvas').count();
    t.is(drawn, await page.locator('.chart').count(), 'every chart is drawn');

    // The memory map: what is pointed at is what the Program has there, also where it was zoomed into.
    const map = '.chart[data-chart=memory][data-entry="0"]';
    await page.locator(map).scrollIntoViewIfNeeded();
    const box = await boxOf(page, map);
    const whole = wholeOf(run.program);
    const agree = async (view: View, least: number): Promise<void> => {
      const places = placesIn(run.program, view, box);
      t.true(places.length >= least, `${places.length} buffers to point at`);
      for (const { left, top } of places) {
        t.is(await tipAt(page, map, left, top), textOf(run.program, view, left, top));
      }
    };
    await agree(whole, 6);
    await drag(page, map, [0.3, 0.9], [0.4, 0.95]);
    await agree(within(whole, [0.3, 0.9], [0.4, 0.95]), 2);
    await page.locator(`${map} .u-over`).dblclick();
    await agree(whole, 6);
    await drag(page, map, [0.1, 0.6], [0.2, 0.7]);
    await page.locator(map).focus();
    await page.keyboard.press('0');
    await agree(whole, 6);
    const marks = () => page.locator(map).screenshot();
    const before = await marks();
    await page.locator(`${map} button[aria-label="zoom in"]`).click();
    t.notDeepEqual(await marks(), before, 'zooming changes what is drawn');
    await page.locator(map).focus();
    await page.keyboard.press('ArrowRight');
    const said = await page.locator(`${map} .said`).textContent();
    t.regex(said ?? '', /^input\n/);
    await page.keyboard.press('Escape');
    await page.evaluate('document.activeElement.blur()');
    await page.mouse.move(0, 0);

    // The curves: every step says what the result has.
    for (const what of ['loss', 'accuracy'] as const) {
      const curve = `.chart[data-chart=${what}][data-entry="0"]`;
      await page.locator(curve).scrollIntoViewIfNeeded();
      const points = run.runs[0]?.curve ?? [];
      const last = points.at(-1)?.step ?? 0;
      for (const { step } of points.filter((_, i) => i % 7 === 3)) {
        t.is(await tipAt(page, curve, step / last, 0.5), curveText(run, what, step));
      }
      await drag(page, curve, [0.5, 0.75], [0.5, 0.5]);
      const { step } = points.find(point => point.step >= 0.6 * last) ?? { step: 0 };
      t.is(await tipAt(page, curve, (step / last - 0.5) / 0.25, 0.5), curveText(run, what, step), 'zoomed by dragging');
      await page.locator(`${curve} .u-over`).dblclick();
      t.is(await tipAt(page, curve, step / last, 0.5), curveText(run, what, step));
    }
    t.deepEqual(wrong, []);
    t.deepEqual(
      asked.filter(one => !one.startsWith('data:')),
      [url],
      'nothing is asked of the network',
    );
  }
});
