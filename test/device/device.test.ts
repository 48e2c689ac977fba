import { promises as fs } from 'node:fs';
import { delimiter, join } from 'node:path';
import test from 'ava';
import { Session } from '#tinytrain';
import { build } from '#tinytrain/device/toolchain.js';
import { savedFrame } from '#tinytrain/emit/saved.js';
import { command, tinytrain } from '../helpers/cli.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { images, temporary } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';
import { board, ended, onPty } from '../helpers/pty.js';

onPty('a board is identified, predicts, learns; its state is saved, and brought back', async t => {
  const fed = patient(t);
  const { folder, program } = await testFirmware(t);
  const { port } = await board(t, await build(folder, 'qemu-mps2-an500'));
  const state = join(folder, 'learned.state');
  const [one = '', two = ''] = program.classes;
  const pictures = join(await temporary(t), 'pictures');
  await images(pictures, { [`train/${two}`]: 1, [`train/${one}`]: 1, [`test/${one}`]: 1, [`test/${two}`]: 1 });
  const photo = join(pictures, 'test', one, '000.png');
  const ask = async (code: number, ...args: string[]) => {
    const found = await ended([command, 'device', ...args, '--port', port, '--timeout', '600', '--json']);
    fed();
    t.is(found.code, code, found.stderr);
    return JSON.parse(found.stdout);
  };

  const first = await ask(0, 'identify', '--firmware', folder);
  t.is(first.program, program.hash);
  t.is(first.board, 'qemu-mps2-an500');
  t.deepEqual(first.classNames, program.classes);
  t.is(first.counters.steps, 0);

  const { predictions } = await ask(0, 'predict', photo, '--firmware', folder);
  t.is(predictions[0].class, program.classes[predictions[0].label]);
  t.true(Math.abs(predictions[0].scores.reduce((a: number, b: number) => a + b, 0) - 1) < 1e-6);

  const before = await ask(0, 'save', state);
  t.is(before.steps, 0);
  const trained = await ask(0, 'train', pictures, '--steps', '2', '--firmware', folder);
  t.is(trained.counters.steps, 2);
  t.not(trained.counters.checksum, first.counters.checksum);

  // Two classes of pictures cannot be matched to ten by number.
  t.is((await ask(1, 'train', pictures, '--steps', '1')).error.code, 'CLASSES_DIFFER');

  const back = await ask(0, 'load', state);
  t.deepEqual([back.steps, back.checksum], [0, first.counters.checksum]);
  const bytes = await fs.readFile(state);
  bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
  await fs.writeFile(state, bytes);
  t.is((await ask(1, 'load', state)).error.code, 'STATE_CORRUPT');
  t.is(new Session(program).state().length, before.bytes - savedFrame);

  const other = await testFirmware(t, { scheme: 'head' });
  t.is((await ask(1, 'identify', '--firmware', other.folder)).error.code, 'FIRMWARE_OTHER');
});

const onArm = has('make', 'arm-none-eabi-gcc') ? test : test.skip;

onArm('a firmware is flashed with the first tool that is there; without one it says which are missing', async t => {
  patient(t);
  const { folder } = await testFirmware(t);
  const empty = await temporary(t);
  const path = process.env['PATH'] ?? '';
  const none = await tinytrain(['device', 'flash', folder, '--json'], empty);
  if (!has('openocd') && !has('st-flash') && !has('STM32_Programmer_CLI')) {
    t.is(none.code, 1);
    t.is(JSON.parse(none.stdout).error.code, 'FLASH_MISSING');
    t.regex(none.stderr, /none of these is installed: openocd, st-flash, STM32_Programmer_CLI/);
  }
  const tools = await temporary(t);
  const tool = join(tools, 'openocd');
  await fs.writeFile(tool, '#!/bin/sh\necho "$@" >said\ntest -s build/stm32f746/firmware.elf\n', { mode: 0o755 });
  const done = await tinytrain(['device', 'flash', folder, '--port', '/dev/ttyACM0'], empty, {
    PATH: `${tools}${delimiter}${path}`,
  });
  t.is(done.code, 0, done.stderr);
  t.is(
    await fs.readFile(join(folder, 'said'), 'utf8'),
    '-f board/stm32f7discovery.cfg -c program build/stm32f746/firmware.elf verify reset exit\n',
  );
  await fs.writeFile(tool, '#!/bin/sh\necho no chip here\nexit 3\n', { mode: 0o755 });
  const failed = await tinytrain(['device', 'flash', folder], empty, { PATH: `${tools}${delimiter}${path}` });
  t.is(failed.code, 1);
  t.regex(failed.stderr, /the board was not written: openocd ended with exit code 3\n +no chip here/);
});

test('what a command for a board lacks is said at once', async t => {
  const folder = await temporary(t);
  t.is((await tinytrain(['device', 'identify'], folder)).code, 2);
  t.is((await tinytrain(['device'], folder)).code, 2);
  const none = await tinytrain(['device', 'identify', '--port', '/dev/ttyNOTHERE'], folder);
  t.is(none.code, 1);
  t.regex(none.stderr, /the port cannot be opened: it does not exist/);
});
