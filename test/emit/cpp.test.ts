import { execFileSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Session } from '#tinytrain';
import { has, testFirmware } from '../helpers/firmware.js';
import { temporary } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';

const inCpp = has('cc', 'c++') ? test : test.skip;
const onArm = has('arm-none-eabi-g++') ? test : test.skip;
const include = ['model', 'kernels', 'protocol', 'store', 'app', 'board/common'].map(path => `-I${path}`);
const warnings = ['-std=c++14', '-Wall', '-Wextra', '-Wpedantic', '-Werror'];

const application = `#include <stdio.h>
#include "port.h"
#include "tt_protocol.h"
#include "tt_store.h"

static tt_context network;
static uint8_t sample[TT_INPUT_BYTES];

int main()
{
    uint32_t predicted = 0;
    tt_step_result found;
    const tt_rates rates = {tt_rate_from_millionths(10000), tt_rate_from_millionths(10000)};
    if (tt_init(&network) != TT_OK || fread(sample, 1, sizeof sample, stdin) != sizeof sample)
        return 1;
    for (int step = 0; step < 2; step++)
        if (tt_train_step(&network, sample, TT_INT8, 1, &rates, &found) != TT_OK)
            return 1;
    if (tt_predict(&network, sample, TT_INT8, &predicted) != TT_OK)
        return 1;
    printf("%lu %lu", static_cast<unsigned long>(predicted), static_cast<unsigned long>(tt_score(&network, 1)));
}
`;

inCpp('an application in C++ predicts and trains with the bits of the host', async t => {
  const fed = patient(t);
  const { folder, files, program, data } = await testFirmware(t, { store: true });
  await fs.writeFile(join(folder, 'application.cpp'), application);
  const out = await temporary(t);
  const sources = [...files.keys()].filter(path => /^(model|kernels)\/.*\.c$/.test(path));
  const c = ['-std=c11', '-O2', ...include];
  const objects = [...sources, 'protocol/tt_crc.c'].map(
    path => [path, join(out, path.replaceAll('/', '_').replace(/c$/, 'o'))] as const,
  );
  for (const [source, object] of objects) execFileSync('cc', [...c, '-c', source, '-o', object], { cwd: folder });
  fed();
  const run = join(out, 'application');
  execFileSync('c++', [...warnings, ...include, 'application.cpp', ...objects.map(([, object]) => object), '-o', run], {
    cwd: folder,
  });
  const sample = data.train.sample(0);
  const said = execFileSync(run, {
    input: Buffer.from(sample.buffer, sample.byteOffset, sample.byteLength),
    encoding: 'utf8',
  });
  const session = new Session(program);
  const rate = { mantissa: 0x51eb851f, exponent: -6 };
  for (let step = 0; step < 2; step++) session.trainStep(sample, 1, { head: rate, backbone: rate });
  const predicted = session.predict(sample);
  t.is(said, `${predicted} ${session.scores()[1]}`);
});

onArm('the headers are C++ for the board’s compiler too', async t => {
  patient(t);
  const { folder } = await testFirmware(t, { scheme: 'head', store: true });
  await fs.writeFile(join(folder, 'application.cpp'), application);
  const flags = ['-mcpu=cortex-m7', '-mthumb', '-fsyntax-only', '-fno-exceptions'];
  t.notThrows(() =>
    execFileSync('arm-none-eabi-g++', [...warnings, ...flags, ...include, 'application.cpp'], {
      cwd: folder,
      stdio: 'pipe',
    }),
  );
});
