import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { TinytrainError } from '#tinytrain';
import type { Connection } from '#tinytrain/device/connection.js';
import { Device } from '#tinytrain/device/device.js';
import { encode, requests } from '#tinytrain/device/frames.js';
import { Patience } from '#tinytrain/device/patience.js';

/** Looks every 5 ms from `from` on, as is due for a limit of 100 ms; the time at which patience is over, of at most 1 s. */
function over(patience: Patience, from: number, starved: (now: number) => number = () => 0): number {
  for (let now = from + 5; now < from + 1000; now += 5) {
    if (patience.isOver(now, starved(now), false)) return now;
  }
  return Number.POSITIVE_INFINITY;
}

test('a limit is of time without progress', t => {
  const patience = new Patience(100, 0, 0);
  for (let now = 5; now <= 95; now += 5) t.false(patience.isOver(now, 0, false));
  t.false(patience.isOver(100, 0, true));
  t.is(over(patience, 100), 200);
});

test('time without a processor does not count', t => {
  // The other end runs for one of 5 ms.
  t.is(
    over(new Patience(100, 1000, 500), 1000, now => 500 + (now - 1000) * 0.8),
    1500,
  );
});

test('time in which nobody looked does not count', t => {
  const patience = new Patience(100, 0, 0);
  t.false(patience.isOver(5000, 0, false));
  t.is(over(patience, 5000), 5090);
});

test('several threads that waited at once, and one that has ended, add no time and take none', t => {
  const patience = new Patience(100, 0, 0);
  t.false(patience.isOver(5, 5000, false));
  t.false(patience.isOver(10, 10, false));
  t.is(over(patience, 10), 105);
});

/** Sends an answer to the request of a sequence number. */
type Answer = (send: (bytes: Buffer) => void, sequence: number) => Promise<void>;

/** A line that answers as it is told to. */
class Scripted implements Connection {
  readonly name = 'a scripted device';
  #listener: (bytes: Buffer) => void = () => {};
  readonly #answer: Answer;

  constructor(answer: Answer) {
    this.#answer = answer;
  }

  async write(request: Uint8Array): Promise<void> {
    const sequence = Buffer.from(request).readUInt16LE(6);
    void this.#answer(bytes => this.#listener(bytes), sequence);
  }

  onData(listener: (bytes: Buffer) => void): void {
    this.#listener = listener;
  }

  onEnd(): void {}

  async close(): Promise<void> {}
}

test('a device that says nothing, or nothing that is a frame, is silent', async t => {
  // An answer after five times the limit comes too late, whatever came before it.
  const noise: Answer = async (send, sequence) => {
    for (let i = 0; i < 50; i++) {
      send(Buffer.from('tinytrain '));
      await sleep(20);
    }
    send(encode(requests.counters | 0x80, sequence, new Uint8Array(40)));
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
  const slowly: Answer = async (send, sequence) => {
    const frame = encode(requests.counters | 0x80, sequence, new Uint8Array(40));
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
