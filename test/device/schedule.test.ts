import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { learningRate } from '#tinytrain';
import { has, testFirmware } from '../helpers/firmware.js';
import { patient } from '../helpers/progress.js';
import { random } from './fire.js';

const harness = fileURLToPath(new URL('../../test/device/schedule/rates.c', import.meta.url));
const onHost = has('cc') ? test : test.skip;

/** A schedule of which every `stride`th step is compared, from step `from` on. */
interface Tried {
  readonly peaks: readonly [number, number];
  readonly steps: number;
  readonly from: number;
  readonly stride: number;
}

function bitsOf(v: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(v);
  return bytes.toString('hex');
}

onHost('integers compute as doubles do, and a device’s schedule has the host’s rates, to the last bit', async t => {
  const fed = patient(t);
  const { folder } = await testFirmware(t);
  const program = join(folder, 'rates');
  const checks = ['-fsanitize=undefined,address', '-fno-sanitize-recover=all', '-Wall', '-Wextra', '-Werror'];
  const include = ['model', 'kernels', 'protocol'].map(name => `-I${join(folder, name)}`);
  execFileSync('cc', ['-std=gnu11', '-O2', ...checks, ...include, harness, '-o', program]);

  const next = random(7);
  const uniform = () => next(2 ** 30) / 2 ** 30 + next(2 ** 23) / 2 ** 53;
  const peak = () =>
    (next(20) === 0 ? [0, 1e-308, 5e-324, 2 ** -1000, 2 ** 64][next(5)] : uniform() * 2 ** (20 - next(60))) ?? 0;
  const short: Tried[] = Array.from({ length: 45 }, (_, i) => ({
    peaks: [0.0016, peak()],
    steps: i,
    from: 0,
    stride: 1,
  }));
  const long: Tried[] = Array.from({ length: 300 }, () => {
    const steps = 1 + next(2 ** next(33));
    const stride = 1 + Math.floor(steps / (50 + next(50)));
    return { peaks: [peak(), peak()], steps, from: next(stride), stride };
  });
  const tried = [...short, ...long];
  const lines = tried.map(
    ({ peaks, steps, from, stride }) => `${bitsOf(peaks[0])} ${bitsOf(peaks[1])} ${steps} ${from} ${stride}`,
  );
  const found = execFileSync(program, ['3000000'], { input: lines.join('\n'), encoding: 'utf8', maxBuffer: 2 ** 26 })
    .trim()
    .split('\n');
  fed();
  const wanted = tried.flatMap(({ peaks, steps, from, stride }) =>
    Array.from({ length: Math.max(0, Math.ceil((steps - from) / stride)) }, (_, i) =>
      peaks
        .map(one => learningRate(one, steps, from + i * stride))
        .map(({ mantissa, exponent }) => `${mantissa} ${exponent}`)
        .join(' '),
    ),
  );
  t.true(wanted.length > 15_000, `${wanted.length}`);
  t.is(found.length, wanted.length);
  t.is(
    found.findIndex((one, i) => one !== wanted[i]),
    -1,
  );
  t.log(`${2 * wanted.length} rates`);
});
