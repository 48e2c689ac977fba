import { once } from 'node:events';
import { promises as fs } from 'node:fs';
import { request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { extract } from 'tar-stream';
import { loadModel, openFirmware } from '#tinytrain';
import { plain, temporary } from '../helpers/folder.js';

interface Limits {
  readonly bytes?: number;
  readonly images?: number;
  readonly running?: number;
  readonly waiting?: number;
  readonly seconds?: number;
  readonly receiveSeconds?: number;
}

interface Example {
  createService(options: { limits?: Limits; signal?: AbortSignal; log?: (error: unknown) => void }): Promise<Server>;
}

const path = new URL('../../examples/service/server.js', import.meta.url).href;
const { createService }: Example = await import(path);

async function started(t: ExecutionContext, limits: Limits = {}): Promise<string> {
  const ending = new AbortController();
  const server = await createService({ limits, signal: ending.signal, log: error => t.log(error) });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    ending.abort();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function form(counts: Readonly<Record<string, number>> = { red: 5, blue: 5 }): Promise<FormData> {
  const body = new FormData();
  for (const [color, count] of Object.entries(counts)) {
    for (let i = 0; i < count; i++)
      body.append(color, new Blob([new Uint8Array(await plain(color, 8 + i))]), `${i}.png`);
  }
  return body;
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split('\n').find(each => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

/** Waits until a metric has a value. */
async function until(t: ExecutionContext, url: string, name: string, value: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if ((await metric(url, name)) === value) return;
    await pause(50);
  }
  t.fail(`${name} is ${await metric(url, name)}, and not ${value}`);
}

/** A request that takes long enough to be stopped. */
const long = '/models?steps=5000&scheme=full';

test('images become a .tflite that knows its classes, the same for the same images', async t => {
  const url = await started(t);
  const answers = await Promise.all(
    Array.from({ length: 2 }, async () => fetch(`${url}/models?steps=20`, { method: 'POST', body: await form() })),
  );
  const files = await Promise.all(answers.map(async answer => Buffer.from(await answer.arrayBuffer())));
  t.deepEqual(
    answers.map(({ status }) => status),
    [200, 200],
  );
  t.is(answers[0]?.headers.get('x-accuracy'), '1.0000');
  t.deepEqual(files[0], files[1]);
  const file = join(await temporary(t), 'model.tflite');
  await fs.writeFile(file, files[0] ?? '');
  const { labels } = (await loadModel(file)).description;
  t.deepEqual(labels, ['blue', 'red']);
  t.is(await metric(url, 'tinytrain_requests_total{outcome="done"}'), 2);
  const health = await fetch(`${url}/health`);
  t.is(health.status, 200);
  t.like(await health.json(), { status: 'ok', running: 0, waiting: 0 });
});

test('images become a firmware that is whole', async t => {
  const url = await started(t);
  const query = 'output=firmware&target=qemu-mps2-an386&scheme=bias:2&steps=20';
  const answer = await fetch(`${url}/models?${query}`, { method: 'POST', body: await form() });
  t.is(answer.status, 200);
  const [folder, files] = [await temporary(t), extract()];
  Readable.from([Buffer.from(await answer.arrayBuffer())])
    .pipe(createGunzip())
    .pipe(files);
  for await (const entry of files) {
    const at = join(folder, entry.header.name);
    await fs.mkdir(dirname(at), { recursive: true });
    const parts: Buffer[] = [];
    for await (const part of entry as AsyncIterable<Buffer>) parts.push(part);
    await fs.writeFile(at, Buffer.concat(parts));
  }
  const { target, origin } = await openFirmware(join(folder, 'firmware'));
  t.is(target, 'qemu-mps2-an386');
  t.deepEqual(origin.data.classes, ['blue', 'red']);
});

test('what is wrong with a request is told, with a status and a code', async t => {
  const url = await started(t, { bytes: 100_000, images: 12 });
  const broken = await form();
  broken.append('red', new Blob(['no image']), 'x.png');
  const text = await form();
  text.append('green', 'a text');
  for (const [query, body, status, code] of [
    ['', await form({ red: 5 }), 400, 'CLASS'],
    ['', await form({ red: 5, blue: 1 }), 400, 'CLASS'],
    ['', await form({ red: 8, blue: 8 }), 413, 'TOO_LARGE'],
    ['', broken, 400, 'IMAGE_CORRUPT'],
    ['', text, 400, 'NOT_IMAGE'],
    ['', 'a text', 415, 'NOT_FORM'],
    ['?steps=0', await form(), 400, 'OPTION'],
    ['?steps=1e9', await form(), 400, 'OPTION'],
    ['?target=/etc', await form(), 400, 'OPTION'],
    ['?scheme=../x.json', await form(), 400, 'OPTION'],
    ['?scheme=bias:999', await form(), 400, 'SCHEME_INVALID'],
    ['?colour=red', await form(), 400, 'OPTION'],
    ['', new Blob([new Uint8Array(100_001)]), 413, 'TOO_LARGE'],
  ] as const) {
    const answer = await fetch(`${url}/models${query}`, { method: 'POST', body });
    t.is(answer.status, status, query);
    t.like(await answer.json(), { code });
  }
  t.is((await fetch(`${url}/`)).status, 404);
  t.is((await fetch(url, { method: 'POST' })).status, 404);
  t.is(await metric(url, 'tinytrain_running'), 0);
  t.is(await metric(url, 'tinytrain_requests_total{outcome="refused"}'), 13);
});

/** Sends the beginning of a body without saying how long it is; `parts` more follow. Returns status of the answer. */
function slowly(url: string, part: Uint8Array, parts: number, ms: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'multipart/form-data; boundary=x', 'transfer-encoding': 'chunked' };
    const sent = request(`${url}/models`, { method: 'POST', headers }, answer => {
      answer.resume();
      resolve(answer.statusCode);
      sent.destroy();
    });
    sent.on('error', reject);
    let left = parts;
    const timer = setInterval(() => {
      if (left-- > 0 && !sent.destroyed) sent.write(part);
      else clearInterval(timer);
    }, ms);
  });
}

test('a body of unknown length is no longer than others, and none may come as slowly as it likes', async t => {
  const url = await started(t, { bytes: 100_000, receiveSeconds: 1 });
  t.is(await slowly(url, new Uint8Array(30_000), 10, 10), 413);
  t.is(await slowly(url, new Uint8Array(1), 1000, 20), 408);
  t.is(await metric(url, 'tinytrain_running'), 0);
});

test('so many at a time, so many in line, and no more; who goes away makes room', async t => {
  const url = await started(t, { running: 1, waiting: 1 });
  const [first, second] = [new AbortController(), new AbortController()];
  const send = async (signal: AbortSignal) => fetch(`${url}${long}`, { method: 'POST', body: await form(), signal });
  const ending = (sent: Promise<Response>) =>
    sent.then(
      () => 'answered',
      (error: DOMException) => error.name,
    );
  const gone = ending(send(first.signal));
  await until(t, url, 'tinytrain_running', 1);
  const left = ending(send(second.signal));
  await until(t, url, 'tinytrain_waiting', 1);
  const third = await send(new AbortController().signal);
  t.is(third.status, 503);
  t.is(third.headers.get('retry-after'), '10');
  t.like(await third.json(), { code: 'BUSY' });
  // One leaves the line, then the one that is worked on.
  second.abort();
  t.is(await left, 'AbortError');
  await until(t, url, 'tinytrain_waiting', 0);
  t.is(await metric(url, 'tinytrain_running'), 1);
  first.abort();
  t.is(await gone, 'AbortError');
  await until(t, url, 'tinytrain_running', 0);
  t.is(await metric(url, 'tinytrain_requests_total{outcome="cancelled"}'), 2);
  const next = await fetch(`${url}/models?steps=20`, { method: 'POST', body: await form() });
  t.is(next.status, 200, 'work goes on');
});

test('a request that takes too long is stopped', async t => {
  const url = await started(t, { seconds: 1 });
  const answer = await fetch(`${url}${long}`, { method: 'POST', body: await form() });
  t.is(answer.status, 504);
  t.like(await answer.json(), { code: 'SLOW' });
  t.is(await metric(url, 'tinytrain_running'), 0);
});

test('thirty requests at once: all are answered, and alike', async t => {
  const url = await started(t, { waiting: 40 });
  const body = await form();
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => fetch(`${url}/models?steps=20`, { method: 'POST', body })),
  );
  const files = await Promise.all(answers.map(async answer => Buffer.from(await answer.arrayBuffer()).toString('hex')));
  t.true(answers.every(({ status }) => status === 200));
  t.is(new Set(files).size, 1);
  t.is(await metric(url, 'tinytrain_requests_total{outcome="done"}'), 30);
});
