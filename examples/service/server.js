// Adapts a model to images that a client sends, and answers with a firmware or a .tflite.
//
//   POST /models?output=tflite|firmware&target=stm32f746&scheme=bias:4&steps=200
//        multipart/form-data: each field is named by a class and holds one image of it
//   GET  /health     whether requests are taken
//   GET  /metrics    counters in the text format of Prometheus
//
// Everything is bounded: bytes, images, requests at a time and in line, seconds. A client that goes away stops its work within a training step.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { availableParallelism } from 'node:os';
import { buffer } from 'node:stream/consumers';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import {
  compile,
  Dataset,
  decodeImage,
  exportTflite,
  firmwareFiles,
  loadModel,
  TinytrainError,
  targets,
  train,
  version,
} from 'tinytrain';

export const defaultLimits = {
  /** Bytes of a request. */
  bytes: 16 * 2 ** 20,
  /** Images of a request, and of them at least so many of each class: one is held back for the test. */
  images: 500,
  classImages: 4,
  classes: 50,
  steps: 5000,
  /** Requests that are worked on at a time, and that wait in line. */
  running: availableParallelism(),
  waiting: 16,
  /** Seconds for a request from its first byte, and within them for receiving it. */
  seconds: 120,
  receiveSeconds: 30,
  connections: 256,
};

/** An answer other than a model. */
class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

/** The options of a request, checked here as far as they are this service's, and by the library otherwise. */
function optionsOf({ searchParams }, limits) {
  const {
    output = 'tflite',
    target = 'stm32f746',
    scheme = 'head',
    steps = '200',
    ...others
  } = Object.fromEntries(searchParams);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new Refusal(400, 'OPTION', `there is no option ${unknown}`);
  if (output !== 'tflite' && output !== 'firmware') throw new Refusal(400, 'OPTION', 'output is tflite or firmware');
  // Names only: a path would be one of this machine.
  if (!targets().includes(target)) throw new Refusal(400, 'OPTION', `target is one of ${targets().join(', ')}`);
  if (!/^[a-z0-9:/,]{1,500}$/.test(scheme)) throw new Refusal(400, 'OPTION', 'scheme is one such as bias:4,18:1/4');
  if (!/^\d{1,6}$/.test(steps) || Number(steps) < 1 || Number(steps) > limits.steps) {
    throw new Refusal(400, 'OPTION', `steps is a number from 1 to ${limits.steps}`);
  }
  return { output, target, scheme, steps: Number(steps) };
}

/** The body of a request, no byte more than is allowed. */
async function bodyOf(request, limits, signal) {
  const tooLarge = () => new Refusal(413, 'TOO_LARGE', `a request has at most ${limits.bytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > limits.bytes) throw tooLarge();
  const parts = [];
  let bytes = 0;
  const late = AbortSignal.timeout(limits.receiveSeconds * 1000);
  const stop = AbortSignal.any([signal, late]);
  const stopped = new Promise((_, reject) => {
    stop.addEventListener('abort', () =>
      reject(late.aborted ? new Refusal(408, 'SLOW', 'the request came too slowly') : stop.reason),
    );
  });
  stopped.catch(() => {});
  const chunks = request[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await Promise.race([chunks.next(), stopped]);
    if (done) return Buffer.concat(parts);
    bytes += value.length;
    if (bytes > limits.bytes) throw tooLarge();
    parts.push(value);
  }
}

/** The images of a request by class. */
async function imagesOf(request, body, limits) {
  const type = request.headers['content-type'] ?? '';
  if (!type.startsWith('multipart/form-data')) {
    throw new Refusal(
      415,
      'NOT_FORM',
      'a request is multipart/form-data: each field is named by a class and holds an image',
    );
  }
  const form = await new Response(body, { headers: { 'content-type': type } }).formData().catch(() => {
    throw new Refusal(400, 'NOT_FORM', 'the body is no multipart/form-data');
  });
  const classes = new Map();
  let images = 0;
  for (const [name, value] of form) {
    if (typeof value === 'string') throw new Refusal(400, 'NOT_IMAGE', `field ${name} is no file`);
    if (!/^[\w -]{1,64}$/.test(name))
      throw new Refusal(400, 'CLASS', 'a class has up to 64 letters, digits, spaces, _ and -');
    if (++images > limits.images) throw new Refusal(413, 'TOO_LARGE', `a request has at most ${limits.images} images`);
    classes.set(name, [...(classes.get(name) ?? []), Buffer.from(await value.arrayBuffer())]);
  }
  if (classes.size < 2 || classes.size > limits.classes) {
    throw new Refusal(
      400,
      'CLASS',
      `a request has images of 2 to ${limits.classes} classes, and not of ${classes.size}`,
    );
  }
  for (const [name, { length }] of classes) {
    if (length < limits.classImages) {
      throw new Refusal(400, 'CLASS', `class ${name} has ${length} images; at least ${limits.classImages} are needed`);
    }
  }
  return classes;
}

/** The samples of a request: of each class a fifth, at least one, is held back for the test. */
async function samplesOf(classes, { input }, signal) {
  const names = [...classes.keys()].sort();
  const parts = { train: { samples: [], labels: [] }, test: { samples: [], labels: [] } };
  const hash = createHash('sha256');
  for (const [label, name] of names.entries()) {
    const images = classes.get(name);
    const held = Math.max(1, Math.round(images.length / 5));
    for (const [i, image] of images.entries()) {
      signal.throwIfAborted();
      const sample = await decodeImage(image, input, 'stretch', `${name}, image ${i + 1}`);
      hash.update(name).update(sample);
      const part = i < images.length - held ? parts.train : parts.test;
      part.samples.push(Buffer.from(sample.buffer, sample.byteOffset, sample.length));
      part.labels.push(label);
    }
  }
  const set = ({ samples, labels }) => Dataset.from(new Int8Array(Buffer.concat(samples)), labels, input);
  return {
    classes: names,
    train: set(parts.train),
    test: set(parts.test),
    skipped: [],
    source: 'a request',
    hash: hash.digest('hex'),
  };
}

/** What is sent back: a file, with its type. */
async function answerOf(model, data, { output, target, scheme, steps }, signal) {
  const options = { signal, threads: 1 };
  const program = await compile(model, data, { ...options, scheme, ...(output === 'firmware' && { target }) });
  const { state, accuracy } = await train(program, data, { ...options, steps });
  const learned = program.withState(state);
  if (output === 'tflite')
    return {
      type: 'application/octet-stream',
      name: 'model.tflite',
      accuracy,
      bytes: await exportTflite(learned, model),
    };
  const tar = pack();
  for (const [name, content] of await firmwareFiles(learned, data, target))
    tar.entry({ name: `firmware/${name}` }, Buffer.from(content));
  tar.finalize();
  return { type: 'application/gzip', name: 'firmware.tar.gz', accuracy, bytes: await buffer(tar.pipe(createGzip())) };
}

/** Lets some requests be worked on at a time, and a few more wait. */
class Line {
  running = 0;
  #waiting = [];

  constructor(limits) {
    this.limits = limits;
  }

  get waiting() {
    return this.#waiting.length;
  }

  async enter(signal) {
    if (this.running < this.limits.running) {
      this.running++;
      return;
    }
    if (this.#waiting.length >= this.limits.waiting)
      throw new Refusal(503, 'BUSY', 'too many requests are waiting; try again later');
    await new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting = this.#waiting.filter(other => other !== entry);
        reject(signal.reason);
      };
      const entry = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      this.#waiting.push(entry);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  leave() {
    const next = this.#waiting.shift();
    // Whoever is next takes the place.
    if (next) next();
    else this.running--;
  }
}

/** Status and words for what went wrong. What is wrong with a request is told; what is wrong here is not the client's. */
function refusalOf(error, isLate) {
  if (isLate) return new Refusal(504, 'SLOW', 'the request took too long');
  if (error instanceof Refusal) return error;
  if (error instanceof TinytrainError && error.code !== 'INTERNAL' && error.code !== 'FILE_ERROR') {
    return new Refusal(400, error.code, error.message);
  }
  return new Refusal(500, 'INTERNAL', 'something went wrong here');
}

/** The service, not yet listening. `close()` ends it once nothing is worked on; aborting `signal` stops that work. */
export async function createService({
  limits: given = {},
  model: path,
  signal: ending = new AbortController().signal,
  log = console.error,
} = {}) {
  const limits = { ...defaultLimits, ...given };
  const model = await loadModel(path);
  const line = new Line(limits);
  const counts = { done: 0, refused: 0, cancelled: 0, failed: 0 };
  let seconds = 0;

  const models = async (request, response, url) => {
    const gone = new AbortController();
    const late = AbortSignal.timeout(limits.seconds * 1000);
    const signal = AbortSignal.any([gone.signal, late, ending]);
    response.on('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    const began = performance.now();
    let isIn = false;
    try {
      const options = optionsOf(url, limits);
      await line.enter(signal);
      isIn = true;
      const classes = await imagesOf(request, await bodyOf(request, limits, signal), limits);
      const { type, name, accuracy, bytes } = await answerOf(
        model,
        await samplesOf(classes, model, signal),
        options,
        signal,
      );
      signal.throwIfAborted();
      response.writeHead(200, {
        'content-type': type,
        'content-disposition': `attachment; filename="${name}"`,
        'content-length': bytes.length,
        'x-accuracy': accuracy.after.toFixed(4),
      });
      response.end(bytes);
      counts.done++;
    } catch (error) {
      if (gone.signal.aborted) {
        counts.cancelled++;
        return;
      }
      const { status, code, message } = ending.aborted
        ? new Refusal(503, 'ENDING', 'the service is ending')
        : refusalOf(error, late.aborted);
      if (status === 500) {
        counts.failed++;
        log(error);
      } else counts.refused++;
      send(response, status, { code, message }, status === 503 ? { 'retry-after': '10' } : {});
    } finally {
      if (isIn) line.leave();
      seconds += (performance.now() - began) / 1000;
    }
  };

  const metrics = () =>
    [
      '# TYPE tinytrain_requests_total counter',
      ...Object.entries(counts).map(([outcome, count]) => `tinytrain_requests_total{outcome="${outcome}"} ${count}`),
      '# TYPE tinytrain_request_seconds_total counter',
      `tinytrain_request_seconds_total ${seconds.toFixed(3)}`,
      '# TYPE tinytrain_running gauge',
      `tinytrain_running ${line.running}`,
      '# TYPE tinytrain_waiting gauge',
      `tinytrain_waiting ${line.waiting}`,
      '',
    ].join('\n');

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://service');
    const route = `${request.method} ${url.pathname}`;
    if (route === 'POST /models') void models(request, response, url);
    else if (route === 'GET /health') {
      const { running, waiting } = line;
      send(response, ending.aborted ? 503 : 200, {
        status: ending.aborted ? 'ending' : 'ok',
        version,
        running,
        waiting,
      });
    } else if (route === 'GET /metrics') {
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(metrics());
    } else send(response, 404, { code: 'NOT_FOUND', message: 'POST /models, GET /health, GET /metrics' });
  });
  server.maxConnections = limits.connections;
  server.headersTimeout = 10_000;
  server.requestTimeout = limits.receiveSeconds * 1000;
  return server;
}

function send(response, status, content, headers = {}) {
  if (response.destroyed) return;
  // The rest of a request that is refused is not read.
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close', ...headers });
  response.end(`${JSON.stringify(content)}\n`);
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const ending = new AbortController();
  const server = await createService({ signal: ending.signal });
  const { PORT = '8080', HOST = '127.0.0.1' } = process.env;
  server.listen(Number(PORT), HOST, () => console.log(`http://${HOST}:${PORT}`));
  for (const name of ['SIGINT', 'SIGTERM']) {
    process.once(name, () => {
      ending.abort();
      server.close();
      server.closeIdleConnections();
    });
  }
}
