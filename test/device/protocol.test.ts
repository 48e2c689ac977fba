import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { Session, TinytrainError } from '#tinytrain';
import { Device, encodeSaved, type SavedState } from '#tinytrain/device/device.js';
import { Decoder, encode, requests } from '#tinytrain/device/frames.js';
import { ProcessConnection } from '#tinytrain/device/process.js';
import { startQemu } from '#tinytrain/device/qemu.js';
import { standInOf } from '#tinytrain/device/stand-in.js';
import { build } from '#tinytrain/device/toolchain.js';
import { has, type TestFirmware, testFirmware } from '../helpers/firmware.js';
import { patient } from '../helpers/progress.js';
import { badFrame, random } from './fire.js';

const onHost = has('make', 'cc') ? test : test.skip;
const inQemu = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test : test.skip;
/** Different rates, so that one in the place of the other shows. */
const rates = { head: { mantissa: 1 << 30, exponent: -6 }, backbone: { mantissa: 3 << 29, exponent: -9 } };

interface Bench extends TestFirmware {
  readonly line: ProcessConnection;
  readonly device: Device;
}

/** How long the line must be idle until the device takes a broken frame for ended, with plenty to spare. */
const IDLE_MS = 300;

/** The default model's firmware built for this computer, with sanitizers, and running. */
async function bench(t: ExecutionContext): Promise<Bench> {
  patient(t);
  const firmware = await testFirmware(t);
  const line = await ProcessConnection.start('host build', await build(firmware.folder, 'host'), []);
  t.teardown(() => line.close());
  return { ...firmware, line, device: new Device(line, { timeoutMs: 20_000 }) };
}

/** Sends nothing until the device has had time to notice: time in which it could not run does not count. */
async function idle(line: ProcessConnection, ms = IDLE_MS): Promise<void> {
  const own = () => performance.now() - line.starvedMs();
  for (const until = own() + ms; own() < until; ) await sleep(ms / 10);
}

/** The refusal of what came in that was no frame. */
async function stray(device: Device): Promise<TinytrainError> {
  for (;;) {
    const last = device.strays.at(-1);
    if (last) return last;
    await sleep(10);
  }
}

async function status(t: ExecutionContext, work: Promise<unknown>): Promise<unknown> {
  const error = await t.throwsAsync(work, { instanceOf: TinytrainError, code: 'DEVICE_REFUSED' });
  return error?.details['status'];
}

test('frames come through whatever stands between them', t => {
  const decoder = new Decoder();
  const [a, b] = [encode(1, 7, Buffer.from('abc')), encode(2, 8, new Uint8Array())];
  const stream = Buffer.concat([Buffer.from('TTxT'), a, Buffer.from([0x54, 0x54, 0xa5]), b]);
  const frames = [...stream].flatMap(byte => decoder.push(Buffer.from([byte])));
  t.deepEqual(
    frames.map(({ type, sequence, payload }) => [type, sequence, payload.toString()]),
    [
      [1, 7, 'abc'],
      [2, 8, ''],
    ],
  );
});

onHost('wrong requests are refused, change nothing, and the next frame works', async t => {
  const { device, data, line } = await bench(t);
  const sample = data.train.sample(0);
  await device.train(sample, 1, rates);
  const before = await device.counters();

  t.is(await status(t, device.train(sample, 10, rates)), 3);
  t.is(await status(t, device.train(sample, 0, { ...rates, head: { mantissa: 5, exponent: 0 } })), 4);
  t.is(await status(t, device.train(sample, 0, { ...rates, backbone: { mantissa: 1 << 30, exponent: 5000 } })), 4);
  t.is(
    await status(t, device.request(requests.predict, Buffer.concat([Buffer.from([9, 0, 0, 0]), Buffer.from(sample)]))),
    2,
  );
  t.is(await status(t, device.request(requests.predict, new Uint8Array(10))), 69);
  t.is(await status(t, device.request(200)), 68);
  t.is(await status(t, device.raw(encode(requests.identify, 900, new Uint8Array(), 2), requests.identify, 900)), 67);
  const spoiled = encode(requests.predict, 901, new Uint8Array(4 + sample.length));
  spoiled.writeUInt8(1, 100);
  t.is(await status(t, device.raw(spoiled, requests.predict, 901)), 66);
  t.is(
    await status(
      t,
      device.raw(
        encode(requests.train, 902, new Uint8Array(4 + 16 + sample.length)).subarray(0, 999),
        requests.train,
        902,
      ),
    ),
    69,
  );
  await idle(line);
  t.is(
    await status(
      t,
      device.raw(
        encode(requests.predict, 903, new Uint8Array(4 + sample.length)).subarray(0, 999),
        requests.predict,
        903,
      ),
    ),
    65,
  );
  await line.write(Buffer.from('hello'));
  t.is((await stray(device)).details['status'], 64);

  const after = await device.counters();
  t.is(after.checksum, before.checksum);
  t.is(after.steps, 1);
  t.is((await device.identify()).board, 'host');
});

onHost('a state is restored whole or not at all', async t => {
  const { device, data } = await bench(t);
  const first = await device.save();
  await device.train(data.train.sample(0), 1, rates);
  const second = await device.save();
  t.notDeepEqual(first.state, second.state);

  const load = (saved: SavedState, spoil: (bytes: Buffer) => void = () => {}) => {
    const bytes = encodeSaved(saved);
    spoil(bytes);
    return device.request(requests.load, bytes);
  };
  t.is(
    await status(
      t,
      load(first, bytes => bytes.writeUInt8(bytes.readUInt8(99) ^ 1, 99)),
    ),
    6,
  );
  t.is(await status(t, load({ ...first, program: 'ab'.repeat(32) })), 7);
  t.is(await status(t, device.request(requests.load, encodeSaved(first).subarray(4))), 69);
  t.deepEqual(await device.save(), second);

  await device.load(first);
  t.deepEqual(await device.save(), first);
  await device.load(second);
  t.is((await device.counters()).steps, 1);
  await device.reset();
  t.deepEqual(await device.save(), first);
});

/** Sends spoiled frames between two training steps, which are those of the host whatever came between; `settle` lets the device notice that the line is idle. */
async function survives(
  t: ExecutionContext,
  { device, line, program, data }: Bench,
  count: number,
  settle: (ms: number) => Promise<void>,
): Promise<void> {
  const feed = patient(t);
  const session = new Session(program);
  const step = async (index: number) => {
    const [sample, label] = [data.train.sample(index), data.train.labels[index] ?? 0];
    const { loss, predicted, checksum } = await device.train(sample, label, rates);
    const host = session.trainStep(sample, label, rates);
    t.deepEqual(
      { loss, predicted, checksum },
      { loss: host.loss, predicted: host.predicted, checksum: crc32(session.state()) },
    );
  };
  await step(0);
  const { inputBytes, savedBytes } = await device.identify();
  const next = random(1);
  for (let i = 0; i < count; i += 100) {
    const frames = Array.from({ length: 100 }, () => badFrame(next, inputBytes, savedBytes));
    await line.write(Buffer.concat(frames));
    feed();
  }
  // A frame that broke off ends when the line has been idle; one of impossible length with the next good one.
  await settle(1000);
  await device.identify().catch(() => settle(IDLE_MS));
  await step(1);
  const counters = await device.counters();
  t.is(counters.steps, 2);
  t.true(counters.refused > 0.3 * count, `${counters.refused} refused`);
}

onHost('10,000 random and spoiled frames change nothing', async t => {
  const made = await bench(t);
  await survives(t, made, 10_000, ms => idle(made.line, ms));
});

inQemu('nor do they on a board, byte by byte and with the idle time that is shipped', async t => {
  const firmware = await testFirmware(t);
  const { name, emulator } = standInOf('stm32f746');
  const line = await startQemu(await build(firmware.folder, name), emulator, { line: 'uart' });
  t.teardown(() => line.close());
  // A greeting is sent again until it is answered, the device's idle time in between.
  const device = new Device(line, { timeoutMs: 600_000 });
  await survives(t, { ...firmware, line, device }, Number(process.env['TINYTRAIN_FRAMES'] ?? 100), async () => {
    await device.identify();
  });
});
