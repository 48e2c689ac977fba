import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { TinytrainError } from '#tinytrain';
import type { Connection } from '#tinytrain/device/connection.js';
import { Device } from '#tinytrain/device/device.js';
import { encode, requests } from '#tinytrain/device/frames.js';
import { Patience } from '#tinytrain/device/patience.js';

test('a limit is of time without progress', t => {
  const patience = new Patience(100, 0, 0);
  t.false(patience.isOver(99, 0, false));
  t.false(patience.isOver(150, 0, true));
  t.false(patience.isOver(249, 0, false));
  t.true(patience.isOver(250, 0, false));
});

test('time without a processor does not count', t => {
  const patience = new Patience(100, 1000, 500);
  t.false(patience.isOver(1090, 500, false));
  // Of the next 1000 ms, 995 went to others.
  t.false(patience.isOver(2090, 1495, false));
  t.true(patience.isOver(2095, 1495, false));
});

test('several threads that waited at once, and one that has ended, add no time and take none', t => {
  const patience = new Patience(100, 0, 0);
  t.false(patience.isOver(50, 5000, false));
  t.false(patience.isOver(149, 10, false));
  t.true(patience.isOver(150, 10, false));
});

/** A line that answers as it is told to. */
class Scripted implements Connection {
  readonly name = 'a scripted device';
  #listener: (bytes: Buffer) => void = () => {};
  readonly #answer: (send: (bytes: Buffer) => void) => Promise<void>;

  constructor(answer: (send: (bytes: Buffer) => void) => Promise<void>) {
    this.#answer = answer;
  }

  async write(): Promise<void> {
    void this.#answer(bytes => this.#listener(bytes));
  }

  onData(listener: (bytes: Buffer) => void): void {
    this.#listener = listener;
  }

  onEnd(): void {}

  async close(): Promise<void> {}
}

test('a device that says nothing, or nothing that is a frame, is silent', async t => {
  // An answer after five times the limit comes too late, whatever came before it.
  const noise = async (send: (bytes: Buffer) => void) => {
    for (let i = 0; i < 50; i++) {
      send(Buffer.from('tinytrain '));
      await sleep(20);
    }
    send(encode(requests.counters | 0x80, 1, new Uint8Array(32)));
  };
  for (const answer of [async () => {}, noise]) {
    const device = new Device(new Scripted(answer), { timeoutMs: 200 });
    const error = await t.throwsAsync(device.counters(), { instanceOf: TinytrainError });
    t.is(error?.code, 'DEVICE_SILENT');
    t.regex(error?.message ?? '', /did not answer within 0.2 s/);
  }
});

test('a reply may take longer than the limit as long as it goes on', async t => {
  const limit = 2000;
  let took = 0;
  const slowly = async (send: (bytes: Buffer) => void) => {
    const frame = encode(requests.counters | 0x80, 1, new Uint8Array(32));
    const began = performance.now();
    // Its header, then a byte at a time until well over the limit, then the rest.
    send(frame.subarray(0, 16));
    for (let i = 16; i < frame.length; i++) {
      await sleep(limit / 20);
      send(frame.subarray(i, i + 1));
    }
    took = performance.now() - began;
  };
  const { steps } = await new Device(new Scripted(slowly), { timeoutMs: limit }).counters();
  t.is(steps, 0);
  t.true(took > limit);
});
