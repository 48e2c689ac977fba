import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { promises as fs } from 'node:fs';
import { get } from 'node:http';
import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { chromiumOf, opened, tipAt } from '../helpers/browser.js';
import { tinytrain } from '../helpers/cli.js';
import { smallSet, temporary } from '../helpers/folder.js';
import { ask, dataOf, look, watching } from '../helpers/watching.js';

const training = (steps: number) => [
  ...['train', '--data', 'images', '--scheme', 'bias:6,18:1/2', '--threads', '2', '--steps', `${steps}`],
];
const searching = ['search', '--data', 'images', '--budget', '100k', '--trial-steps', '4', '--proof-steps', '6'];

async function prepared(t: ExecutionContext): Promise<string> {
  const folder = await temporary(t);
  await smallSet(join(folder, 'images'), 6, 4);
  return folder;
}

async function run(args: readonly string[], cwd: string): Promise<void> {
  const { code, stderr } = await tinytrain(args, cwd);
  if (code !== 0) throw new Error(stderr);
}

/** What a run has computed: everything but how long it took. */
async function computed(folder: string): Promise<unknown> {
  const {
    seconds: _,
    sha256: _hash,
    rates,
    ...result
  } = JSON.parse(await fs.readFile(join(folder, 'result.json'), 'utf8'));
  return { ...result, rates: { ...rates, seconds: 0 } };
}

async function sumOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await fs.readFile(path))
    .digest('hex');
}

test('a training is shown as it goes on; the last page is what `report` writes, and what is learned is the same', async t => {
  const folder = await prepared(t);
  await run([...training(5000), '--out', 'alone'], folder);
  const { url, ended, said } = await watching(t, [...training(5000), '--watch', '--out', 'shown'], folder);
  const pages = await look(url);
  t.is(await ended, 0, said());
  t.deepEqual(await computed(join(folder, 'shown')), await computed(join(folder, 'alone')));

  const last = pages.at(-1);
  await run(['report', 'shown', '--out', 'report.html'], folder);
  t.is(last, await fs.readFile(join(folder, 'report.html'), 'utf8'));
  const entries = pages.slice(0, -1).flatMap(page => dataOf(page).entries);
  const curves = entries.flatMap(entry => (entry.kind === 'training' ? entry.runs.map(one => one.curve) : []));
  const { curve } = JSON.parse(await fs.readFile(join(folder, 'shown/result.json'), 'utf8'));
  t.true(curves.length > 0, 'it was seen before its end');
  for (const one of curves)
    t.deepEqual(one, curve.slice(0, one.length), 'what is shown is the run, as far as it had come');
  t.is(pages.filter(page => page.includes('connect-src &#39;self&#39;')).length, pages.length - 1);
  await t.throwsAsync(ask(url), { code: 'ECONNREFUSED' }, 'it has stopped with the command');
});

test('several seeds, and a search, are shown to their end; scheme.json and search.json stay as they are', async t => {
  const folder = await prepared(t);
  const seeds = await watching(t, [...training(2000), '--seed', '1..2', '--watch', '--out', 'seeds'], folder);
  const pages = await look(seeds.url);
  t.is(await seeds.ended, 0, seeds.said());
  await run(['report', 'seeds', '--out', 'seeds.html'], folder);
  t.is(pages.at(-1), await fs.readFile(join(folder, 'seeds.html'), 'utf8'));

  const plan = [...searching, '--seeds', '1'];
  await run([...plan, '--out', 'alone'], folder);
  const search = await watching(t, [...plan, '--watch', '--out', 'shown'], folder);
  const seen = await look(search.url);
  t.is(await search.ended, 0, search.said());
  for (const name of ['scheme.json', 'search.json', 'program.ttp', 'contributions.svg']) {
    t.is(await sumOf(join(folder, 'shown', name)), await sumOf(join(folder, 'alone', name)), name);
  }
  await run(['report', 'shown', '--out', 'search.html'], folder);
  t.is(seen.at(-1), await fs.readFile(join(folder, 'search.html'), 'utf8'));
  const { trials } = JSON.parse(await fs.readFile(join(folder, 'shown/search.json'), 'utf8'));
  const entries = seen.slice(0, -1).flatMap(page => dataOf(page).entries);
  const counts = entries.flatMap(entry => (entry.kind === 'searching' ? [entry.runs] : []));
  t.true(counts.length > 0 && new Set(counts).size > 1, `${counts}: it grows`);
  t.deepEqual(
    counts,
    [...counts].sort((a, b) => a - b),
  );
  t.true(Math.max(...counts) <= trials.length);
  const known = new Set(trials.map((trial: unknown) => JSON.stringify(trial)));
  for (const entry of entries) {
    if (entry.kind !== 'searching') continue;
    for (const { trial } of entry.latest) t.true(known.has(JSON.stringify(trial)));
  }
});

test('only this machine, only GET, only its own name', async t => {
  const folder = await prepared(t);
  const { url, process: child, ended } = await watching(t, [...training(100000), '--watch', '--out', 'shown'], folder);
  const { port, host } = new URL(url);
  const page = await ask(url);
  t.is(page.status, 200);
  t.is(page.headers['content-security-policy'], "frame-ancestors 'none'");
  t.is(page.headers['x-content-type-options'], 'nosniff');
  t.regex(
    page.text,
    /Content-Security-Policy" content="default-src &#39;none&#39;; connect-src &#39;self&#39;; img-src data:; style-src &#39;sha256-/,
  );
  t.is((await ask(url, { Host: `localhost:${port}` })).status, 200);
  for (const name of [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1',
    `127.0.0.1:1`,
    `127.0.0.1.evil.example:${port}`,
  ]) {
    for (const path of ['', 'events']) {
      const { status, text } = await ask(url + path, { Host: name });
      t.is(status, 403, name);
      t.false(text.includes('tinytrain'), 'nothing is told');
    }
  }
  t.is((await ask(url, {}, 'POST')).status, 405);
  t.is((await ask(`${url}../../etc/passwd`)).status, 404);
  t.is((await ask(`${url}?x`)).status, 404);
  const others = Object.values(networkInterfaces()).flatMap(found => (found ?? []).filter(one => !one.internal));
  for (const address of ['::1', ...others.map(one => one.address)]) {
    const socket = connect({ host: address, port: Number(port), timeout: 2000 });
    const how = await Promise.race([
      once(socket, 'connect').then(
        () => 'open',
        () => 'refused',
      ),
      once(socket, 'timeout').then(() => 'silent'),
    ]);
    socket.destroy();
    t.not(how, 'open', `${address} reaches ${host}`);
  }
  child.kill('SIGINT');
  t.is(await ended, 130);
  await t.throwsAsync(ask(url), { code: 'ECONNREFUSED' });
});

test('who looks and reads nothing, or is gone, changes nothing and keeps nobody waiting', async t => {
  const folder = await prepared(t);
  await run([...training(5000), '--out', 'alone'], folder);
  const { url, ended, said } = await watching(t, [...training(5000), '--watch', '--out', 'shown'], folder);
  const { port } = new URL(url);
  // Asks for the page again and again, and reads nothing of it.
  const deaf = connect(Number(port), '127.0.0.1');
  deaf.on('error', () => {});
  deaf.pause();
  for (let i = 0; i < 200; i++) deaf.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  const silent = connect(Number(port), '127.0.0.1');
  silent.on('error', () => {});
  silent.pause();
  silent.write(`GET /events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  const gone = get(`${url}events`, response => response.once('data', () => gone.destroy()));
  gone.on('error', () => {});
  while (!/wrote shown/.test(said())) await pause(20);
  const began = performance.now();
  t.is(await ended, 0, said());
  t.true(performance.now() - began < 20_000);
  deaf.destroy();
  silent.destroy();
  t.deepEqual(await computed(join(folder, 'shown')), await computed(join(folder, 'alone')));
});

test('a port that is taken is told before anything begins', async t => {
  const folder = await prepared(t);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const { code, stderr } = await tinytrain([...training(5000), '--watch', `${port}`, '--out', 'shown'], folder);
  t.is(code, 1);
  t.regex(stderr, new RegExp(`error: port ${port} of 127\\.0\\.0\\.1: something else listens there`));
  t.deepEqual(await fs.readdir(folder), ['images']);
});

test('in a browser: figures follow the run, what was zoomed into stays, and the end is the report', async t => {
  const browser = await chromiumOf(t);
  if (!browser) {
    t.pass();
    return;
  }
  const folder = await prepared(t);
  const { url, ended, said } = await watching(t, [...training(6000), '--watch', '--out', 'shown'], folder);
  const { page, wrong, asked } = await opened(t, browser, url, 1000, false);
  const map = '.chart[data-chart=memory]';
  await page.waitForSelector(`${map} canvas`);
  t.regex((await page.locator('#live').textContent()) ?? '', /^Live: /);
  await page.locator(`${map} button[aria-label="zoom in"]`).click();
  await page.locator('summary').first().click();
  const before = await tipAt(page, map, 0.02, 0.98);
  const steps = async () =>
    Number(/([\d,]+) of/.exec((await page.locator('.big').first().textContent()) ?? '')?.[1]?.replace(/,/g, ''));
  const first = await steps();
  while ((await steps()) <= first) await pause(50);
  t.is(await tipAt(page, map, 0.02, 0.98), before, 'it is still zoomed into');
  t.is(await page.locator('details[open]').count(), 1, 'it is still open');
  // The end: nothing live is left, and the figures are those of the result.
  await page.waitForSelector('#live', { state: 'detached', timeout: 120_000 });
  t.is(await ended, 0, said());
  const { accuracy, checksum } = JSON.parse(await fs.readFile(join(folder, 'shown/result.json'), 'utf8'));
  t.is(await page.locator('.big').first().textContent(), `${(accuracy.after * 100).toFixed(1)} %`);
  t.true((await page.locator('dl').last().textContent())?.includes(checksum));
  await run(['report', 'shown', '--out', 'report.html'], folder);
  const written = await opened(t, browser, `file://${join(folder, 'report.html')}`, 1000, false);
  await written.page.waitForSelector('.chart canvas');
  const textOf = (of: typeof page) => of.locator('#shown').textContent();
  t.is(await textOf(page), await textOf(written.page), 'what is seen is the report');
  t.is(await page.title(), await written.page.title());
  t.deepEqual(wrong, []);
  t.true(
    asked.every(one => one === url || one === `${url}events` || one.startsWith('data:')),
    asked.join(' '),
  );
});
