import { existsSync, promises as fs } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { build } from 'esbuild';
import { chromiumOf } from '../helpers/browser.js';
import { temporary } from '../helpers/folder.js';
import { computed } from './both.js';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const wasm = join(dist, 'tinytrain.wasm32-wasi.wasm');

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};
/** What lets a page share memory between threads. */
const isolated = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** A server for a folder, on this machine alone. */
async function served(t: ExecutionContext, folder: string, headers: Readonly<Record<string, string>>): Promise<string> {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const content = await fs.readFile(join(folder, path)).catch(() => undefined);
    response.writeHead(content ? 200 : 404, { ...headers, 'Content-Type': types[extname(path)] ?? 'text/plain' });
    response.end(content);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A site as a bundler makes it: a page, a worker of ours, the workers of the threads, the WebAssembly and the models. */
async function site(t: ExecutionContext): Promise<string> {
  const folder = await temporary(t);
  const both = JSON.stringify(fileURLToPath(new URL('both.js', import.meta.url)));
  const say = 'error => ({ code: error.code, message: error.message, help: error.details?.help })';
  await fs.writeFile(
    join(folder, 'page.mjs'),
    `import { computed } from ${both};
     globalThis.onPage = () => computed().catch(${say});
     globalThis.inWorker = () => new Promise((resolve, reject) => {
       const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
       worker.onmessage = ({ data }) => resolve(data);
       worker.onerror = ({ message }) => reject(new Error(message));
     });
     document.title = 'loaded';`,
  );
  await fs.writeFile(
    join(folder, 'worker.mjs'),
    `import { computed } from ${both};
     postMessage(await computed().catch(${say}));`,
  );
  await build({
    entryPoints: {
      page: join(folder, 'page.mjs'),
      worker: join(folder, 'worker.mjs'),
      'wasi-worker-browser': join(dist, 'wasi-worker-browser.mjs'),
    },
    outdir: join(folder, 'js'),
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    // As the package of this name has it.
    alias: { 'tinytrain-wasm32-wasi': join(dist, 'tinytrain.wasi-browser.js') },
    logLevel: 'error',
  });
  // The loader asks for its worker by this name.
  await fs.rename(join(folder, 'js/wasi-worker-browser.js'), join(folder, 'js/wasi-worker-browser.mjs'));
  await fs.copyFile(wasm, join(folder, 'js/tinytrain.wasm32-wasi.wasm'));
  await fs.cp(join(dist, '../assets'), join(folder, 'assets'), { recursive: true });
  await fs.writeFile(
    join(folder, 'index.html'),
    '<!doctype html><link rel="icon" href="data:,"><script type="module" src="js/page.js"></script>',
  );
  return folder;
}

test('in a browser, on a page and in a worker, the same bits as here; without shared memory an error that says what to do', async t => {
  if (!existsSync(wasm)) {
    t.log('skipped: the WebAssembly is not built (npm run build:wasm)');
    t.pass();
    return;
  }
  const browser = await chromiumOf(t);
  if (!browser) {
    t.pass();
    return;
  }
  const folder = await site(t);
  const page = await browser.newPage();
  const wrong: string[] = [];
  page.on('console', message => wrong.push(message.text()));
  page.on('pageerror', error => wrong.push(error.message));
  const run = async (url: string, where: 'onPage' | 'inWorker') => {
    await page.goto(`${url}/index.html`);
    await page.waitForFunction("document.title === 'loaded'");
    return (await page.evaluate(`${where}()`)) as Awaited<ReturnType<typeof computed>>;
  };

  const here = await computed();
  t.true(here.equal.selfTest.equal);
  t.true(here.equal.accuracy.after > here.equal.accuracy.before);
  const url = await served(t, folder, isolated);
  for (const where of ['onPage', 'inWorker'] as const) {
    const began = performance.now();
    const there = await run(url, where);
    t.log(`${where}: ${there.kernels} kernels, ${Math.round(performance.now() - began)} ms; here: ${here.kernels}`);
    t.deepEqual(there.equal, JSON.parse(JSON.stringify(here.equal)), where);
    t.true(there.told, where);
    t.is(there.kernels, 'simd128', where);
  }
  t.deepEqual(wrong, []);

  const plain = await served(t, folder, {});
  const refused: unknown = await run(plain, 'onPage');
  t.like(refused, { code: 'ADDON_MISSING' });
  t.regex(JSON.stringify(refused), /Cross-Origin-Opener-Policy: same-origin/);
});
