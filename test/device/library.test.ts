/** Several models in one image, and a firmware folder as a part of another CMake project. */
import { execFileSync, spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { ratesOfStep, Session, TinytrainError } from '#tinytrain';
import { Device } from '#tinytrain/device/device.js';
import { firmwareFiles, writeFirmware } from '#tinytrain/device/firmware.js';
import { startQemu } from '#tinytrain/device/qemu.js';
import { standInOf } from '#tinytrain/device/stand-in.js';
import { type FirmwareOptions, has, type TestFirmware, testFirmware } from '../helpers/firmware.js';
import { temporary } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';

const withCmake = has('cmake', 'make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test.serial : test.serial.skip;

const { name: board, flags, emulator } = standInOf('stm32f746');

/** Writes the firmware of a model whose names begin with `prefix` into `folder/prefix`. */
async function withPrefix(t: ExecutionContext, folder: string, prefix: string, options: FirmwareOptions) {
  const made = await testFirmware(t, options);
  await writeFirmware(join(folder, prefix), await firmwareFiles(made.program, made.data, 'stm32f746', { prefix }));
  return made;
}

/** Symbols of an ELF file or an archive that are visible to other files. */
function globals(path: string): string[] {
  const { stdout } = spawnSync('arm-none-eabi-nm', ['-g', '--defined-only', path], { encoding: 'utf8' });
  return stdout.split('\n').flatMap(line => /^[0-9a-f]+ [A-Z] (\S+)/.exec(line)?.[1] ?? []);
}

const application = `
#include "first_model.h"
#include "first_protocol.h"
#include "second_model.h"
#include "second_protocol.h"
#include "tt_board.h"

static struct {
    first_context model;
    first_protocol line;
} first;
static struct {
    second_context model;
    second_protocol line;
} second;

void first_protocol_restore(first_context *network)
{
    first_init(network);
}

void second_protocol_restore(second_context *network)
{
    second_init(network);
}

/* A request that a model refuses makes the other one answer the next. */
int main(void)
{
    tt_board_init();
    first_init(&first.model);
    first_protocol_init(&first.line);
    second_init(&second.model);
    second_protocol_init(&second.line);
    for (;;) {
        for (uint32_t n = first.line.refused; first.line.refused == n;)
            first_protocol_poll(&first.line, &first.model);
        for (uint32_t n = second.line.refused; second.line.refused == n;)
            second_protocol_poll(&second.line, &second.model);
    }
}
`;

/** A project that has both models as libraries; the board is that of one of the two folders. */
const outer = `cmake_minimum_required(VERSION 3.13)
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS "${flags.join(' ')} -Wall -Wextra -Werror")
project(both C)
add_subdirectory(first)
add_subdirectory(second)
set(BOARD_FOLDER \${CMAKE_CURRENT_SOURCE_DIR}/first/board)
add_executable(both.elf main.c first/app/port.c first/board/common/start.c first/board/common/vectors.c first/board/${board}/board.c)
target_include_directories(both.elf PRIVATE first/app first/board/common)
target_compile_definitions(both.elf PRIVATE TT_BAUD=115200)
target_link_libraries(both.elf PRIVATE tinytrain_first tinytrain_second)
target_link_options(both.elf PRIVATE -nostartfiles -Wl,--gc-sections -Wl,--fatal-warnings -Wl,--defsym=TT_STACK_EXTRA=1024
    -L\${BOARD_FOLDER}/common -T \${BOARD_FOLDER}/${board}/board.ld)
`;

/** Trains two steps on the device and on the host, and compares losses and states. */
async function isHostsEqual(t: ExecutionContext, device: Device, { program, data }: TestFirmware, fed: () => void) {
  t.is((await device.identify()).program, program.hash);
  const session = new Session(program);
  for (let step = 0; step < 2; step++) {
    const [sample, label] = [data.train.sample(step), data.train.labels[step] ?? 0];
    const rates = ratesOfStep({ head: 0.01, backbone: 0.01 }, 3, step);
    const { loss, checksum } = await device.train(sample, label, rates);
    const host = session.trainStep(sample, label, rates);
    t.deepEqual({ loss, checksum }, { loss: host.loss, checksum: crc32(session.state()) }, `step ${step}`);
    fed();
  }
}

withCmake('two models are libraries of one project, linked into one image, and both are equal to the host', async t => {
  const fed = patient(t);
  const folder = await temporary(t);
  const first = await withPrefix(t, folder, 'first', {});
  const second = await withPrefix(t, folder, 'second', { scheme: 'bias:2', residualBits: 2, seed: 7 });
  await fs.writeFile(join(folder, 'main.c'), application);
  await fs.writeFile(join(folder, 'CMakeLists.txt'), outer);
  execFileSync('cmake', ['-B', 'build', '-G', 'Unix Makefiles'], { cwd: folder, stdio: 'pipe' });
  execFileSync('cmake', ['--build', 'build', '-j2'], { cwd: folder, stdio: 'pipe' });
  for (const prefix of ['first', 'second']) {
    const names = globals(join(folder, 'build', prefix, `libtinytrain_${prefix}.a`));
    t.true(names.includes(`${prefix}_predict`));
    t.deepEqual(
      names.filter(name => !name.startsWith(`${prefix}_`)),
      [],
    );
  }
  const device = new Device(await startQemu(join(folder, 'build/both.elf'), emulator), { timeoutMs: 600_000 });
  t.teardown(() => device.close());
  for (const one of [first, second, first]) {
    if (one === first) await device.identify();
    await device.reset();
    await isHostsEqual(t, device, one, fed);
    await t.throwsAsync(device.request(0x7e), { code: 'DEVICE_REFUSED' });
  }
});

withCmake('a firmware is built by CMake as by make, with .bin and .hex', async t => {
  const fed = patient(t);
  const { folder } = await testFirmware(t);
  execFileSync('cmake', ['-B', 'build-cmake', '-G', 'Unix Makefiles'], { cwd: folder, stdio: 'pipe' });
  execFileSync('cmake', ['--build', 'build-cmake', '-j2'], { cwd: folder, stdio: 'pipe' });
  fed();
  execFileSync('make', ['-s', '-j2'], { cwd: folder, stdio: 'pipe' });
  for (const [made, from] of [
    ['build-cmake', 'ihex'],
    ['build/stm32f746', 'ihex'],
  ] as const) {
    const place = (name: string) => join(folder, made, name);
    execFileSync('arm-none-eabi-objcopy', ['-I', from, '-O', 'binary', place('firmware.hex'), place('again.bin')]);
    t.deepEqual(await fs.readFile(place('again.bin')), await fs.readFile(place('firmware.bin')), made);
    t.true(globals(place('firmware.elf')).includes('tt_train_step'));
  }
});

test('the README of a firmware lists every file', async t => {
  for (const target of ['stm32f746', 'qemu-mps2-an385']) {
    const { files } = await testFirmware(t, { target });
    const readme = String(files.get('README.md'));
    const listed = [...readme.matchAll(/^\| `([^`]+)`/gm)].map(([, path = '']) => path);
    const missing = [...files.keys()].filter(
      path => !listed.some(one => (one.endsWith('/') ? path.startsWith(one) : path === one)),
    );
    t.deepEqual(missing, []);
    const absent = listed.filter(one => ![...files.keys()].some(path => path.startsWith(one)));
    t.deepEqual(absent, []);
  }
});

test('a prefix that cannot begin a name in C is refused', async t => {
  const { program, data } = await testFirmware(t);
  for (const prefix of ['', '1st', 'First', 'a-b', 'a b', 'a_', `a${'b'.repeat(32)}`]) {
    const error = await t.throwsAsync(firmwareFiles(program, data, 'stm32f746', { prefix }), {
      instanceOf: TinytrainError,
    });
    t.is(error?.code, 'OPTION_INVALID', prefix);
  }
});
