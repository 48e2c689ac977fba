import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { ProgramFigures } from '#tinytrain/report/data.js';
import { tinytrain } from '../helpers/cli.js';
import { temporary } from '../helpers/folder.js';
import { chromiumPath, reportFolders } from '../helpers/report.js';

/** What goes wrong in a page, and what it asks the network for. */
async function opened(t: ExecutionContext, browser: Browser, file: string, width: number, dark: boolean) {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: dark ? 'dark' : 'light',
  });
  t.teardown(() => context.close());
  const page = await context.newPage();
  const wrong: string[] = [];
  const asked: string[] = [];
  page.on('console', message => wrong.push(message.text()));
  page.on('pageerror', error => wrong.push(error.message));
  page.on('dialog', dialog => {
    wrong.push(`dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  page.on('request', request => asked.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector('.chart canvas');
  return { page, wrong, asked };
}

/** What a chart says of the place at shares of its width and height; nothing if it says nothing. */
async function tipAt(page: Page, selector: string, x: number, y: number): Promise<string> {
  const over = page.locator(`${selector} .u-over`);
  const box = await over.boundingBox();
  if (!box) throw new Error(`${selector} is not drawn`);
  await over.hover({ position: { x: box.width * x, y: box.height * y } });
  const tip = page.locator(`${selector} .tip`);
  return (await tip.isVisible()) ? ((await tip.textContent()) ?? '') : '';
}

/** The largest window of a buffer: its name, and where its middle lies in the map, as shares of width and height. */
function largestIn({ arenaBytes, steps, buffers }: Pick<ProgramFigures, 'arenaBytes' | 'steps' | 'buffers'>) {
  const windows = buffers.flatMap(({ name, offset, windows }) => windows.map(window => ({ name, offset, ...window })));
  const area = ({ start, end, lo, hi }: (typeof windows)[number]) => (end - start) * (hi - lo);
  const [first] = windows.sort((a, b) => area(b) - area(a));
  if (!first) throw new Error('no buffer is in the map');
  const { name, offset, start, end, lo, hi } = first;
  return { name, x: (start + end) / 2 / steps.length, y: 1 - (offset + (lo + hi) / 2) / arenaBytes };
}

test('a report opens in a browser without errors or requests; hover, zoom and keyboard work, narrow and wide, light and dark', async t => {
  const executablePath = chromiumPath();
  if (!executablePath) {
    t.log('skipped: no Chromium is installed (Debian: apt-get install chromium)');
    t.pass();
    return;
  }
  const folder = await temporary(t);
  const folders = await reportFolders(folder);
  const { code, stdout, stderr } = await tinytrain(['report', ...folders, '--out', 'report.html', '--json'], folder);
  t.is(code, 0, stderr);
  const largest = largestIn(JSON.parse(stdout).entries[0].program);
  const file = join(folder, 'report.html');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  t.teardown(() => browser.close());
  for (const [width, dark] of [
    [400, false],
    [400, true],
    [1400, false],
    [1600, true],
  ] as const) {
    const { page, wrong, asked } = await opened(t, browser, file, width, dark);
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    t.is(overflow, 0, `at ${width} the page is wider than its window`);
    const drawn = await page.locator('.chart canvas').count();
    t.is(drawn, await page.locator('.chart').count(), 'every chart is drawn');

    const map = '.chart[data-chart=memory][data-entry="0"]';
    await page.locator(map).scrollIntoViewIfNeeded();
    const { name, x, y } = largest;
    const tip = await tipAt(page, map, x, y);
    t.is(tip.split('\n')[0], name);
    t.regex(tip, /\n[\d,]+ B, steps \d+ to \d+ of \d+, bytes/);
    const marks = () => page.locator(map).screenshot();
    const whole = await marks();
    await page.locator(`${map} button[aria-label="zoom in"]`).click();
    t.notDeepEqual(await marks(), whole, 'zooming changes what is drawn');
    await page.locator(map).focus();
    await page.keyboard.press('ArrowRight');
    const said = await page.locator(`${map} .said`).textContent();
    t.regex(said ?? '', /^input\n/);
    await page.keyboard.press('Escape');
    await page.evaluate('document.activeElement.blur()');
    await page.mouse.move(0, 0);

    const curve = '.chart[data-chart=loss][data-entry="0"]';
    await page.locator(curve).scrollIntoViewIfNeeded();
    t.regex(await tipAt(page, curve, 0.99, 0.5), /step 60\ntraining.*: \d\.\d{3}\nheld out/);
    t.deepEqual(wrong, []);
    t.deepEqual(
      asked.filter(url => !url.startsWith('data:')),
      [pathToFileURL(file).href],
      'nothing is asked of the network',
    );
  }
});
