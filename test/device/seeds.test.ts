import { createHash } from 'node:crypto';
import test from 'ava';
import { runFirmware } from '#tinytrain/device/run.js';
import { anotherFirmware, has, testFirmware } from '../helpers/firmware.js';
import { patient } from '../helpers/progress.js';

const inQemu = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test : test.skip;

/** Weights of a full and of a depthwise convolution, and biases. */
const scheme = 'bias:4,18:1/4,17:1/8,16:1/2';
/** The board of the emulator: nothing has to be built twice. */
const target = 'qemu-mps2-an500';

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * 0 and 2 residual bits round stochastically: the numbers drawn depend on seed, step, tensor and weight. A seed of more than 32 bits has to reach the
 * firmware whole.
 */
inQemu('training with every number of residual bits, at seeds other than 0, is the host’s bit for bit', async t => {
  const onProgress = patient(t);
  const { folder } = await testFirmware(t, { scheme, residualBits: 8, seed: 1, target });
  const checksums = new Map<string, string>();
  for (const [residualBits, seed] of [
    [8, 1],
    [4, 3],
    [2, 7],
    [0, 7],
    [0, 7 + 2 ** 40],
  ] as const) {
    const { program } = await anotherFirmware(folder, { scheme, residualBits, seed, target });
    const name = `${residualBits} residual bits, seed ${seed}`;
    const result = await runFirmware(folder, { steps: 4, predictions: 1, lr: 0.003, lrHead: 0.02, onProgress });
    t.is(result.program, program.hash, name);
    t.true(result.equal, `${name}: ${JSON.stringify(result.difference)}`);
    t.is(result.checksum, result.hostChecksum, name);
    t.not(result.checksum, sha256(program.initialState()), `${name}: nothing was learned`);
    t.is(result.linked?.sram, result.planned.sram, name);
    checksums.set(name, result.checksum);
  }
  t.is(new Set(checksums.values()).size, checksums.size, 'no two of them train alike');
});
