import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf, systemCode, TinytrainError } from '../errors.js';

/** Only this machine reaches it. */
const HOST = '127.0.0.1';
/** Shortest time between two pieces of news, in milliseconds: a page is made at most so often, however many look. */
const INTERVAL_MS = 1000;
/** Most connections at a time. */
const CONNECTIONS = 32;
/** Longest wait, in milliseconds, until those who look have the last page. */
const FAREWELL_MS = 2000;
/** Whoever reads nothing for so many milliseconds is let go. */
const SILENT_MS = 30_000;

const headers = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;

function refused(error: unknown, port: number): TinytrainError {
  const system = systemCode(error);
  const why = system === 'EADDRINUSE' ? 'something else listens there' : messageOf(error);
  return new TinytrainError(
    'PORT_FAILED',
    `port ${port} of ${HOST}: ${why}`,
    { port, system, help: ['choose another one, or leave it out for one that is free: --watch'] },
    error,
  );
}

/**
 * A page that changes, on this machine alone: `GET /` is the page as it is now, `GET /events` says (as server-sent events) when it has changed. The page is made when
 * it is asked for, at most once a second; nothing that a browser does or leaves undone concerns whoever says that it has changed.
 */
export class LiveServer {
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  readonly #hosts: ReadonlySet<string>;
  #page: () => Promise<string>;
  /** The page since the last piece of news, once somebody has asked for it. */
  #made: Promise<string> | undefined;
  #news: NodeJS.Timeout | undefined;
  #gone: () => void = () => {};
  /** Where a browser finds it. */
  readonly address: string;

  private constructor(server: Server, page: () => Promise<string>) {
    const { port } = server.address() as AddressInfo;
    this.#server = server;
    this.#page = page;
    this.address = `http://${HOST}:${port}/`;
    const names = [HOST, 'localhost'];
    this.#hosts = new Set([...names.map(name => `${name}:${port}`), ...(port === 80 ? names : [])]);
    server.on('request', (request, response) => this.#answer(request, response));
    server.on('error', () => {});
  }

  /** Serves `page` at a port, or at any that is free for 0. Throws `PORT_FAILED`. */
  static async open(port: number, page: () => Promise<string>): Promise<LiveServer> {
    const server = createServer({ keepAliveTimeout: 1000 });
    server.maxConnections = CONNECTIONS;
    // One page in a connection's buffer at most, and nothing that keeps the process from ending.
    server.maxRequestsPerSocket = 1;
    server.on('connection', socket => socket.unref().setTimeout(SILENT_MS, () => socket.destroy()));
    await new Promise<void>((resolve, reject) => {
      server.once('error', error => reject(refused(error, port)));
      server.listen(port, HOST, resolve);
    });
    server.unref();
    return new LiveServer(server, page);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => {});
    const end = (status: number, text: string, more: Readonly<Record<string, string>> = {}) => {
      response.writeHead(status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8', ...more });
      response.end(text);
    };
    // A page of another name that leads here (DNS rebinding) is not to read what this one shows.
    if (!this.#hosts.has(request.headers.host ?? '')) end(403, 'this page has another name\n');
    else if (request.method !== 'GET') end(405, 'GET only\n', { Allow: 'GET' });
    else if (request.url === '/events') this.#listen(response);
    else if (request.url !== '/') end(404, 'nothing is here\n');
    else {
      this.#made ??= this.#page();
      this.#made.then(
        page => end(200, page, { 'Content-Type': 'text/html; charset=utf-8' }),
        error => end(500, `the page cannot be made: ${messageOf(error)}\n`),
      );
    }
  }

  #listen(response: ServerResponse): void {
    response.socket?.setTimeout(0);
    response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream' });
    response.write('event: changed\ndata:\n\n');
    this.#streams.add(response);
    response.on('close', () => {
      this.#streams.delete(response);
      if (this.#streams.size === 0) this.#gone();
    });
  }

  /** Whoever has not read the last piece of news gets no more. */
  #tell(event: 'changed' | 'end'): void {
    for (const stream of this.#streams) if (stream.writableLength === 0) stream.write(`event: ${event}\ndata:\n\n`);
  }

  /** The page is another one from now on. */
  changed(): void {
    this.#news ??= setTimeout(() => {
      this.#news = undefined;
      this.#made = undefined;
      this.#tell('changed');
    }, INTERVAL_MS).unref();
  }

  /** Shows a last page to those who look, if there are any, and ends. It waits for them, but not for long. */
  async finish(page: () => Promise<string>): Promise<void> {
    try {
      if (this.#streams.size === 0) return;
      clearTimeout(this.#news);
      this.#page = page;
      this.#made = page();
      await this.#made.catch(() => {});
      this.#tell('end');
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, FAREWELL_MS);
        this.#gone = () => {
          clearTimeout(timer);
          resolve();
        };
        if (this.#streams.size === 0) this.#gone();
      });
    } finally {
      this.close();
    }
  }

  /** Ends at once. */
  close(): void {
    clearTimeout(this.#news);
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
