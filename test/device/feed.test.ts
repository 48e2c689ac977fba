import test, { type ExecutionContext } from 'ava';
import { Session, TinytrainError } from '#tinytrain';
import { Device } from '#tinytrain/device/device.js';
import { requests } from '#tinytrain/device/frames.js';
import { ProcessConnection } from '#tinytrain/device/process.js';
import { runFirmware } from '#tinytrain/device/run.js';
import { build } from '#tinytrain/device/toolchain.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { patient } from '../helpers/progress.js';

const onHost = has('make', 'cc') ? test : test.skip;
const inQemu = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test : test.skip;
const rates = { head: { mantissa: 1 << 30, exponent: -6 }, backbone: { mantissa: 3 << 29, exponent: -9 } };
const INT8 = 0;

function word(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i);
  return bytes;
}

async function status(t: ExecutionContext, work: Promise<unknown>): Promise<unknown> {
  const error = await t.throwsAsync(work, { instanceOf: TinytrainError, code: 'DEVICE_REFUSED' });
  return error?.details['status'];
}

onHost('rows are refused out of turn, and a sample may be broken off between any two of them', async t => {
  patient(t);
  const { folder, program, data } = await testFirmware(t, { scheme: 'bias:2,20:1/2', feed: 'rows' });
  t.is(program.record.input.offset, null);
  const line = await ProcessConnection.start('host build', await build(folder, 'host'), []);
  t.teardown(() => line.close());
  const device = new Device(line, { timeoutMs: 20_000 });
  const { shape, byRows } = await device.identify();
  t.true(byRows);
  const session = new Session(program);
  const bytes = shape[1] * shape[2];
  const row = (sample: Int8Array, y: number, first = y === 0) =>
    device.request(
      requests.row,
      Buffer.concat([word(INT8, first ? 1 : 0), Buffer.from(sample.buffer, sample.byteOffset + y * bytes, bytes)]),
    );
  const sample = (i: number) => data.train.sample(i);
  const same = async (i: number) =>
    t.deepEqual(await device.predict(sample(i)), {
      predicted: session.predict(sample(i)),
      scores: session.scores(),
    });

  // Nothing has come in.
  t.is(await status(t, device.request(requests.predict, word(INT8))), 9);
  await same(0);
  // A sample that is broken off in the middle, then another.
  for (let y = 0; y < shape[0] / 2; y++) t.is((await row(sample(1), y)).readUInt32LE(0), 1);
  t.is(await status(t, device.request(requests.predict, word(INT8))), 9);
  await same(2);
  // Between rows, requests that take no sample.
  for (let y = 0; y < shape[0]; y++) {
    t.is((await row(sample(3), y)).readUInt32LE(0), y + 1 < shape[0] ? 1 : 0);
    await device.counters();
  }
  t.is(await status(t, row(sample(3), 1)), 9);
  const head = Buffer.concat([
    word(INT8, data.train.labels[3] ?? 0),
    Buffer.from(word(rates.head.mantissa)),
    Buffer.from(new Int32Array([rates.head.exponent]).buffer),
    word(rates.backbone.mantissa),
    Buffer.from(new Int32Array([rates.backbone.exponent]).buffer),
  ]);
  const trained = await device.request(requests.train, head);
  const { loss, predicted } = session.trainStep(sample(3), data.train.labels[3] ?? 0, rates);
  t.deepEqual([trained.readInt32LE(0), trained.readUInt32LE(4)], [loss, predicted]);
  // The next step begins with its first row.
  t.is(await status(t, device.request(requests.train, head)), 9);
  // A state that is loaded drops the rows that have come in.
  const saved = await device.save();
  for (let y = 0; y < 5; y++) await row(sample(4), y);
  await device.load(saved);
  t.is(await status(t, device.request(requests.predict, word(INT8))), 9);
  await same(5);
  t.deepEqual((await device.save()).state, Buffer.from(session.state()));
});

inQemu(
  'a firmware to which samples come row by row is as planned, and learns bit for bit what the host does',
  async t => {
    patient(t);
    for (const scheme of ['head', 'bias:6,4:1,12:1/2', 'bias:3,0:1,1:1/2']) {
      const { folder } = await testFirmware(t, { scheme, feed: 'rows' });
      const { equal, difference, linked, planned, instructions } = await runFirmware(folder, {
        steps: 3,
        predictions: 4,
      });
      t.true(equal, JSON.stringify(difference));
      t.is(linked?.sram, planned.sram);
      t.true((linked?.flash ?? 0) <= planned.flash);
      t.deepEqual(instructions && Object.values(instructions).map(n => n > 1e6), [true, true]);
    }
  },
);

test('a Program that is fed by rows keeps that under other limits, and is read back so', async t => {
  const { program } = await testFirmware(t, { feed: 'rows' });
  t.is(program.limits.feed, 'rows');
  t.is(program.within({ budget: 1 << 20 }).limits.feed, 'rows');
});
