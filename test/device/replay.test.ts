import test from 'ava';
import { Session } from '#tinytrain';
import { Device } from '#tinytrain/device/device.js';
import { ProcessConnection } from '#tinytrain/device/process.js';
import { runFirmware } from '#tinytrain/device/run.js';
import { build } from '#tinytrain/device/toolchain.js';
import { ratesOfStep } from '#tinytrain/rates.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { patient } from '../helpers/progress.js';

const onHost = has('cc', 'make') ? test : test.skip;
const inQemu = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test : test.skip;

// The widest and the narrowest thing that is kept: the sample itself, and the features of the head.
for (const [scheme, store] of [
  ['bias:21', false],
  ['bias:4,18:1/4', true],
  ['head', false],
] as const) {
  inQemu(`in QEMU a device keeps the samples that the host keeps, and learns from them alike: ${scheme}`, async t => {
    const onProgress = patient(t);
    const { folder, program } = await testFirmware(t, { scheme, store, replay: 3 });
    const result = await runFirmware(folder, { steps: 16, predictions: 2, onProgress });
    t.true(result.equal, JSON.stringify(result.difference));
    t.is(result.linked?.sram, result.planned.sram);
    t.true((result.linked?.flash ?? 0) <= result.planned.flash);
    const { places, sampleBytes } = program.record.replay ?? { places: 0, sampleBytes: 0 };
    const tags = 4 * Math.ceil((2 * places) / 4);
    const bytes = 4 * Math.ceil((places * sampleBytes) / 4) + tags + 8 * program.classes.length;
    const item = program.memory.items.find(({ name }) => name === 'replay buffer');
    // What a tensor of the state is padded with is counted as alignment.
    t.true(item !== undefined && bytes - item.bytes < 8 && bytes >= item.bytes, `${item?.bytes} of ${bytes}`);
  });
}

onHost('under sanitizers hundreds of steps on new and on kept samples are the host’s', async t => {
  const fed = patient(t);
  const { folder, program, data } = await testFirmware(t, { scheme: 'bias:2', replay: 7 });
  const device = new Device(await ProcessConnection.start('the host build', await build(folder, 'host'), []));
  t.teardown(() => device.close());
  const session = new Session(program);
  const peaks = { head: 0.01, backbone: 0.01 };
  await t.throwsAsync(device.replay(ratesOfStep(peaks, 2, 0)), { code: 'DEVICE_REFUSED', message: /kept/ });
  const came = new Set<number>();
  for (let step = 0; step < 400; step++) {
    fed();
    const rates = ratesOfStep(peaks, 400, step);
    if (step % 3 === 2) {
      const { steps: _steps, checksum, ...found } = await device.replay(rates);
      t.deepEqual({ ...found }, { ...session.replayStep(rates) } as object, `step ${step}`);
      came.add(found.label);
      continue;
    }
    // Three classes at first, each with several places; then more than there are places. Samples alternate between classes.
    const three = ((step % 9) % 3) + data.classes.length * Math.floor((step % 9) / 3);
    const index = (step < 200 ? three : step >> 3) % data.train.size;
    const [sample, label] = [data.train.sample(index), data.train.labels[index] ?? 0];
    const found = await device.train(sample, label, rates);
    t.is(found.loss, session.trainStep(sample, label, rates).loss, `step ${step}`);
  }
  const saved = await device.save();
  t.deepEqual(saved.state, Buffer.from(session.state()));
  t.true(came.size > 5, `${[...came]}`);

  // A state in which all classes came last at the same time.
  const counts = program.record.states.find(({ kind }) => kind === 'replayCounts');
  const state = Buffer.from(saved.state).fill(0, counts?.offset ?? 0, (counts?.offset ?? 0) + (counts?.bytes ?? 0));
  await device.load({ ...saved, state });
  session.restore(state, saved.steps);
  for (let step = 0; step < 4; step++) {
    const rates = ratesOfStep(peaks, 400, step);
    const again = await device.replay(rates);
    t.is(again.label, session.replayStep(rates)?.label ?? -1);
  }
});
