/** The steps of docs/embed.md, as far as they can be tried without those systems. */
import { execFileSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { has, testFirmware } from '../helpers/firmware.js';
import { temporary } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';

const compiler = 'arm-none-eabi-gcc';
const onArm = has(compiler) ? test : test.skip;
const withCmake = has(compiler, 'cmake', 'make') ? test : test.skip;
const core = ['-mcpu=cortex-m7', '-mthumb', '-mfpu=fpv5-sp-d16', '-mfloat-abi=hard'];

/** A product in a few lines: it predicts, or learns a label by a schedule that begins anew when it is over. */
const application = `
#include "model.h"
static tt_context network;
uint32_t app(const uint8_t *pixels, uint32_t label, uint32_t learn)
{
    uint32_t predicted = 0;
    tt_step_result found;
    if (network.counters.steps == 0)
        tt_init(&network);
    if (!learn)
        return tt_predict(&network, pixels, TT_RGB888, &predicted) == TT_OK ? predicted : TT_CLASSES;
    if (network.counters.schedule.done >= network.counters.schedule.steps)
        tt_begin_schedule(&network, 0.0128, 0.0016, 500);
    return tt_train_step(&network, pixels, TT_RGB888, label, NULL, &found) == TT_OK ? found.predicted : TT_CLASSES;
}
`;

/** Symbols that an archive or object needs from elsewhere. */
function missing(...files: readonly string[]): string[] {
  const names = (flag: string) =>
    execFileSync('arm-none-eabi-nm', [flag, ...files], { encoding: 'utf8' })
      .split('\n')
      .flatMap(line => /([A-Za-z_]\w*)$/.exec(line)?.[1] ?? []);
  const defined = new Set(names('--defined-only'));
  return [...new Set(names('-u'))]
    .filter(name => !defined.has(name) && /^(mem|str|__|tt_|malloc|free|printf)/.test(name))
    .sort();
}

withCmake(
  'a kernel that builds everything freestanding, as Zephyr does, builds the library with its own flags',
  async t => {
    const fed = patient(t);
    const { folder } = await testFirmware(t, { store: true });
    const project = await temporary(t);
    await fs.writeFile(join(project, 'app.c'), application);
    await fs.writeFile(
      join(project, 'CMakeLists.txt'),
      `cmake_minimum_required(VERSION 3.20)
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_C_COMPILER ${compiler})
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
project(product C)
add_library(zephyr_interface INTERFACE)
target_compile_options(zephyr_interface INTERFACE ${core.join(' ')} -ffreestanding -fno-common -Os -Wall -Werror)
add_library(app STATIC app.c)
target_link_libraries(app PRIVATE zephyr_interface tinytrain)
add_subdirectory("${folder}" tinytrain)
target_link_libraries(tinytrain PRIVATE zephyr_interface)
`,
    );
    const built = join(project, 'build');
    execFileSync('cmake', ['-S', project, '-B', built], { stdio: 'pipe' });
    execFileSync('cmake', ['--build', built], { stdio: 'pipe' });
    fed();
    const needed = missing(join(built, 'libapp.a'), join(built, 'tinytrain/libtinytrain.a'));
    t.deepEqual(
      needed.filter(name => !/^tt_(port|flash|protocol)_/.test(name)),
      ['__aeabi_ldivmod', '__aeabi_uldivmod', 'memcmp', 'memcpy', 'memmove', 'memset'],
    );
  },
);

onArm('all sources in one folder, as an Arduino library has them, compile with that folder alone', async t => {
  const { folder } = await testFirmware(t);
  const flat = await temporary(t);
  const seen = new Set<string>();
  for (const from of ['model', 'kernels', 'camera', 'protocol']) {
    for (const name of await fs.readdir(join(folder, from))) {
      t.false(seen.has(name), `${name} is there twice`);
      seen.add(name);
      await fs.copyFile(join(folder, from, name), join(flat, name));
    }
  }
  await fs.copyFile(join(folder, 'app/port.h'), join(flat, 'port.h'));
  const sources = [...seen].filter(name => name.endsWith('.c'));
  execFileSync(compiler, [...core, '-std=gnu11', '-Os', '-w', '-c', '-I', flat, ...sources], {
    cwd: flat,
    stdio: 'pipe',
  });
  await fs.writeFile(join(flat, 'sketch.cpp'), application.replace('NULL, &found', 'nullptr, &found'));
  execFileSync(
    'arm-none-eabi-g++',
    [...core, '-std=gnu++17', '-Os', '-Wall', '-Werror', '-c', '-I', flat, 'sketch.cpp'],
    {
      cwd: flat,
      stdio: 'pipe',
    },
  );
  t.true(sources.length > 5);
});
