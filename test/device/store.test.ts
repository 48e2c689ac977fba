import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { ratesOfStep } from '#tinytrain';
import { Device } from '#tinytrain/device/device.js';
import { startQemu } from '#tinytrain/device/qemu.js';
import { standInOf } from '#tinytrain/device/stand-in.js';
import { build } from '#tinytrain/device/toolchain.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { temporary } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const onHost = has('cc') ? test : test.skip;

/** The program that cuts the power of `tt_store` at every operation (`store/cuts.c`), under sanitizers. */
async function cutter(folder: string): Promise<string> {
  const program = join(folder, 'cuts');
  const sources = ['test/device/store/cuts.c', 'device/store/tt_store.c', 'device/protocol/tt_crc.c'];
  const warnings = ['-Wall', '-Wextra', '-Wconversion', '-Wshadow', '-Werror'];
  const checks = ['-fsanitize=undefined,address', '-fno-sanitize-recover=all'];
  const include = ['test/device/store', 'device/store', 'device/protocol'].map(path => `-I${path}`);
  execFileSync('cc', ['-std=c11', '-O2', '-g', ...warnings, ...checks, ...include, ...sources, '-o', program], {
    cwd: root,
  });
  return program;
}

onHost('a state in flash is never lost or mixed, wherever the power fails', async t => {
  const fed = patient(t);
  const program = await cutter(await temporary(t));
  for (const [sectors, places, saves] of [
    [2, 3, 1000],
    [3, 2, 200],
    [2, 1, 100],
  ] as const) {
    const found = spawnSync(program, [sectors, places, saves, 1].map(String), { encoding: 'utf8' });
    fed();
    t.is(found.status, 0, found.stderr);
    const [, cuts, filled] = /cuts (\d+) .*filled (\d+)/.exec(found.stdout) ?? [];
    t.true(Number(cuts) >= 1000 * saves, found.stdout);
    t.true(Number(filled) >= Math.floor(saves / places), found.stdout);
    t.log(found.stdout.trim());
  }
});

const inQemu = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test.serial : test.skip;

inQemu('a firmware goes on after a reset from what it has learned', async t => {
  const fed = patient(t);
  const { folder, data } = await testFirmware(t);
  const { name, emulator } = standInOf('stm32f746');
  const plain = await build(folder, name);
  execFileSync('make', ['-s', '-C', folder, `BOARD=${name}`, 'STORE=2', 'STRICT=1'], { stdio: 'pipe' });
  fed();
  const steps = async (elf: string): Promise<readonly [before: number[], after: number[]]> => {
    const socket = join(await temporary(t), 'qmp');
    const line = await startQemu(elf, emulator, { line: 'uart', more: ['-qmp', `unix:${socket},server=on,wait=off`] });
    t.teardown(() => line.close());
    const device = new Device(line, { timeoutMs: 600_000 });
    const counted = async () => {
      const { steps: done, checksum } = await device.counters();
      return [done, checksum];
    };
    const initial = await counted();
    for (let step = 0; step < 3; step++) {
      await device.train(
        data.train.sample(step),
        data.train.labels[step] ?? 0,
        ratesOfStep({ head: 0.01, backbone: 0.01 }, 4, step),
      );
      fed();
      if (step === 1) initial.push(...(await counted()));
    }
    const monitor = createConnection(socket);
    await once(monitor, 'data');
    monitor.write('{"execute":"qmp_capabilities"}');
    await once(monitor, 'data');
    monitor.write('{"execute":"system_reset"}');
    await once(monitor, 'data');
    monitor.destroy();
    await device.identify();
    return [initial, await counted()];
  };
  const [before, after] = await steps(plain.replace(name, `${name}-store`));
  t.is(before[0], 0);
  t.deepEqual(after, before.slice(2), 'the state after two steps was saved, the third step was not');
  t.is(after[0], 2);
  const [initial, forgotten] = await steps(plain);
  t.deepEqual(forgotten, initial.slice(0, 2), 'without a store it begins anew');
});
