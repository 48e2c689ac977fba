import test from 'ava';
import { kernels } from 'tinytrain';
import { tinytrain } from '../helpers/cli.js';
import { temporary } from '../helpers/folder.js';

test('the fastest kernels of the processor run, and the reference is among them', t => {
  const { chosen, available } = kernels();
  t.is(chosen, available[available.length - 1] ?? '');
  t.true(available.includes('reference'));
});

test('TINYTRAIN_KERNELS names those that run; all train to the same bits', async t => {
  const folder = await temporary(t);
  const checksums = new Set<string>();
  for (const name of kernels().available) {
    const args = ['train', '--scheme', 'bias:6,20:1,18:1/2', '--steps', '60', '--out', name, '--json'];
    const { code, stdout, stderr } = await tinytrain(args, folder, { TINYTRAIN_KERNELS: name });
    t.is(code, 0, stderr);
    checksums.add(JSON.parse(stdout).checksum);
  }
  t.is(checksums.size, 1);
  t.regex([...checksums][0] ?? '', /^[0-9a-f]{64}$/);
});

test('kernels that cannot run are an error that names those that can', async t => {
  const folder = await temporary(t);
  for (const [name, message] of [
    ['sse9', /^error: TINYTRAIN_KERNELS=sse9: these kernels do not exist \(here: reference/],
    [process.arch === 'arm64' ? 'avx2' : 'neon', /need instructions that this processor lacks \(here: reference/],
  ] as const) {
    const { code, stderr } = await tinytrain(['train', '--steps', '1'], folder, { TINYTRAIN_KERNELS: name });
    t.is(code, 1);
    t.regex(stderr, message);
    const doctor = await tinytrain(['doctor'], folder, { TINYTRAIN_KERNELS: name });
    t.is(doctor.code, 1);
    t.regex(doctor.stdout, /unset TINYTRAIN_KERNELS/);
  }
});
