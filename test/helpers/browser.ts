import type { ExecutionContext } from 'ava';
import { type Browser, chromium, type Page } from 'playwright-core';
import { chromiumPath } from './report.js';

/** A Chromium for a test; undefined, said in its log, where none is installed. */
export async function chromiumOf(t: ExecutionContext): Promise<Browser | undefined> {
  const executablePath = chromiumPath();
  if (!executablePath) {
    t.log('skipped: no Chromium is installed (Debian: apt-get install chromium)');
    return undefined;
  }
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  t.teardown(() => browser.close());
  return browser;
}

/** A page in a window, what goes wrong in it, and what it asks the network for. */
export async function opened(t: ExecutionContext, browser: Browser, url: string, width: number, dark: boolean) {
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
  await page.goto(url);
  return { page, wrong, asked };
}

/** A part of the window. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Where a chart draws, without its axes. */
export async function boxOf(page: Page, selector: string): Promise<Box> {
  const box = await page.locator(`${selector} .u-over`).boundingBox();
  if (!box) throw new Error(`${selector} is not drawn`);
  return box;
}

/** What a chart says of the place at shares of its width and height; nothing if it says nothing. */
export async function tipAt(page: Page, selector: string, x: number, y: number): Promise<string> {
  const { width, height } = await boxOf(page, selector);
  const position = { x: Math.min(width * x, width - 1), y: Math.min(height * y, height - 1) };
  await page.locator(`${selector} .u-over`).hover({ position });
  const tip = page.locator(`${selector} .tip`);
  return (await tip.isVisible()) ? ((await tip.textContent()) ?? '') : '';
}
