// Does the device learn what the host learns, in so little memory? Trains MCUNet-5FPS with its published 49 KB scheme for some steps in QEMU, within 96 KiB with
// the whole image in SRAM, and fed row by row in the least memory there is. Every loss, all trained bytes after each step, and then the prediction for each
// test image must be the host's: a difference ends it with exit code 1. Prints a table.
//
//   node bench/in-qemu.mjs --models DIR --data DIR [--steps N] [--predictions N]
//
// DIR with `mcunet-5fps.pkl` of the reference, and a folder of 10 classes of images.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { firmwareFiles, loadImages, loadModel, runFirmware, train, writeFirmware } from '../dist/index.js';
import { Compiler } from '../dist/program/compiler.js';

const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    data: { type: 'string' },
    steps: { type: 'string', default: '200' },
    predictions: { type: 'string', default: '200' },
  },
});
const [steps, predictions] = [Number(values.steps), Number(values.predictions)];
const target = 'stm32f746';
const scheme = 'bias:20,24:1/4,27:1/2,30:1/2';
/** Steps on the host before: the device goes on from there. */
const before = 1000;

const number = n => n.toLocaleString('en');
const percent = share => `${(100 * share).toFixed(1)} %`;
const million = n => `${(n / 1e6).toFixed(1)} M`;

const folder = mkdtempSync(join(tmpdir(), 'tinytrain-in-qemu-'));
try {
  const model = await loadModel(join(values.models, 'mcunet-5fps.pkl'), { input: { height: 128, width: 128 } });
  const data = await loadImages(values.data, model.input);
  const compiler = await Compiler.create(model, data);
  const least = await compiler.fitted({ scheme, target, budget: 1, feed: 'rows' });
  const ways = [
    ['in SRAM', { budget: 98_304 }],
    ['row by row', { budget: least.memoryOn(target).sram.total, feed: 'rows' }],
  ];
  console.log(
    '| the image | budget | SRAM, linked | instructions a step | equal to the host | accuracy before | and after, device | host |',
  );
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
  for (const [way, limits] of ways) {
    const program = await compiler.compile({ scheme, target, ...limits });
    const trained = await train(program, data, { steps: before, lr: 0.0016 });
    const out = join(folder, way);
    await writeFirmware(out, await firmwareFiles(program.withState(trained.state), data, target));
    const start = await runFirmware(out, { steps: 0, predictions });
    const run = await runFirmware(out, { steps, predictions });
    const { accuracy, linked, instructions, equal } = run;
    const bits = `${run.steps} steps, ${run.predictions} images: ${equal && start.equal ? 'every bit' : 'no'}`;
    const cells = [
      way,
      `${number(limits.budget)} B`,
      `${number(linked.sram)} B`,
      million(instructions.trainStep),
      bits,
    ];
    const shares = [start.accuracy.device, accuracy.device, accuracy.host].map(percent);
    console.log(`| ${[...cells, ...shares].join(' | ')} |`);
    if (!equal || !start.equal) {
      console.error(start.difference ?? run.difference);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
