import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { TinytrainError } from '#tinytrain';
import { firmwareFiles, openFirmware, writeFirmware } from '#tinytrain/device/firmware.js';
import { testFirmware } from '../helpers/firmware.js';
import { temporary } from '../helpers/folder.js';

test('the same Program gives the same files', async t => {
  const { program, data, files } = await testFirmware(t);
  t.deepEqual(await firmwareFiles(program, data, 'stm32f746'), new Map(files));
});

test('only kernels that the program uses are there', async t => {
  const { files } = await testFirmware(t, { scheme: 'head' });
  t.true(files.has('kernels/tt_pointwise_wide.c'));
  t.false(files.has('kernels/tt_pointwise_input_grad.c'));
  t.true(files.has('kernels/tt_exp.c'));
  t.false(files.has('kernels/tt_conv_weight_step.c'));
  t.false(files.has('kernels/tt_max_pool.c'));
});

test('a prediction writes no masks, and keeps no inputs of weight updates', async t => {
  const { files, program } = await testFirmware(t, { scheme: 'bias:4,18:1/4' });
  const [forward = '', backward = ''] = String(files.get('model/model.c')).split('void tt_scores(');
  const written = [...forward.matchAll(/training \? \(uint8_t \*\)\(a \+ \d+\) : NULL/g)];
  t.true(written.length > 0);
  const copies = [...forward.matchAll(/if \(training\)\n +tt_copy_box\(/g)];
  t.true(copies.length > 0 && program.record.steps.some(({ training }) => training));
  t.false(/\btraining\b/.test(backward));
  const api = String(files.get('model/api.c'));
  t.regex(api, /tt_forward\(tt, 0\);\s*tt_scores\(/);
  t.regex(api, /tt_forward\(tt, 1\);\s*tt_error\(/);
});

test('no floating point but the peaks of a schedule, no allocation, no printing in what is emitted', async t => {
  const { files } = await testFirmware(t, { scheme: 'full', target: 'qemu-mps2-an500' });
  for (const [path, content] of files) {
    if (!/\.[ch]$/.test(path) || path.startsWith('board/host/')) continue;
    const code = String(content)
      .replace(/\/\*.*?\*\//gs, '')
      .replace(/"[^"]*"/g, '')
      // Peaks are handed on and never computed with: the Makefile refuses a firmware that holds arithmetic of doubles.
      .replace(/\bdouble (?=(head|backbone|rate|peaks|v)\b)/g, '');
    t.notRegex(code ?? '', /\b(double|float|malloc|free|printf|math\.h|stdio\.h|stdlib\.h)\b/, path);
  }
});

test('what lies in app/ is written once and never again; nothing that the user has changed is overwritten', async t => {
  const { folder, files } = await testFirmware(t);
  await fs.writeFile(join(folder, 'app/main.c'), 'mine');
  await fs.writeFile(join(folder, 'model/model.c'), 'mine too');
  const error = await t.throwsAsync(writeFirmware(folder, files), { instanceOf: TinytrainError });
  t.is(error.code, 'FIRMWARE_EDITED');
  t.regex(error.message, /firmware: model\/model\.c is not as tinytrain wrote it, and would be overwritten$/);
  t.is(await fs.readFile(join(folder, 'model/model.c'), 'utf8'), 'mine too');
  await fs.rm(join(folder, 'model/model.c'));
  const written = await writeFirmware(folder, files);
  t.is(await fs.readFile(join(folder, 'app/main.c'), 'utf8'), 'mine');
  t.is(await fs.readFile(join(folder, 'model/model.c'), 'utf8'), String(files.get('model/model.c')));
  t.false(written.includes('app/main.c'));
});

test('files that a smaller program no longer needs are removed', async t => {
  const { folder } = await testFirmware(t, { scheme: 'full', target: 'qemu-mps2-an500' });
  const { files } = await testFirmware(t, { scheme: 'head' });
  await fs.access(join(folder, 'kernels/tt_conv_weight_step.c'));
  await writeFirmware(folder, files);
  await t.throwsAsync(fs.access(join(folder, 'kernels/tt_conv_weight_step.c')));
});

test('a folder with anything else in it is left alone', async t => {
  const folder = await temporary(t);
  await fs.writeFile(join(folder, 'thesis.txt'), 'x');
  const { files } = await testFirmware(t);
  const error = await t.throwsAsync(writeFirmware(folder, files), { instanceOf: TinytrainError });
  t.is(error.code, 'FOLDER_NOT_EMPTY');
  t.deepEqual(await fs.readdir(folder), ['thesis.txt']);
});

test('a firmware of another version is refused', async t => {
  const { folder } = await testFirmware(t);
  const path = join(folder, 'manifest.json');
  const manifest = JSON.parse(await fs.readFile(path, 'utf8')) as Record<string, unknown>;
  await fs.writeFile(path, JSON.stringify({ ...manifest, tinytrain: '0.0.1' }));
  const error = await t.throwsAsync(openFirmware(folder), { instanceOf: TinytrainError });
  t.is(error.code, 'FIRMWARE_VERSION');
  const missing = await t.throwsAsync(openFirmware(await temporary(t)), { instanceOf: TinytrainError });
  t.is(missing.code, 'FIRMWARE_MISSING');
});
