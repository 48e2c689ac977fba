import { execFileSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { targets } from '#tinytrain';
import { readElf } from '#tinytrain/device/elf.js';
import { differences, measure } from '#tinytrain/device/linked.js';
import { runFirmware } from '#tinytrain/device/run.js';
import { standInOf } from '#tinytrain/device/stand-in.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { patient } from '../helpers/progress.js';

const withTools = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test.serial : test.serial.skip;

/** A committed table of functions. */
async function table(path: string): Promise<{ functions: Readonly<Record<string, { readonly stack: number }>> }> {
  return JSON.parse(await fs.readFile(new URL(`../../${path}`, import.meta.url), 'utf8'));
}

/** Functions of model.c and state.c, and the bytes of their frames as GCC reports them. */
async function generatedFrames(build: string): Promise<readonly (readonly [name: string, bytes: number])[]> {
  const files = await Promise.all(['model', 'state'].map(name => fs.readFile(join(build, `model/${name}.su`), 'utf8')));
  const lines = files.flatMap(text => text.trim().split('\n'));
  return lines.map(line => {
    const [place = '', bytes] = line.split('\t');
    return [place.split(':').at(-1) ?? '', Number(bytes)];
  });
}

for (const board of targets()) {
  const isEmulated = standInOf(board).name === board;

  withTools(
    `${board}: planned is linked, to the byte, without a warning; frames are no larger than planned`,
    async t => {
      patient(t);
      const scheme = isEmulated ? 'full' : 'bias:12,18:1/2,7:1';
      const { folder, program } = await testFirmware(t, { scheme, target: board });
      const output = execFileSync('make', ['-s', '-C', folder, `BOARD=${board}`, 'STRICT=1'], {
        encoding: 'utf8',
        stdio: 'pipe',
      });
      t.notRegex(output, /warning:/);
      const elf = readElf(await fs.readFile(join(folder, 'build', board, 'firmware.elf')));
      t.deepEqual(differences(program.memory, measure(elf)), []);
      const { functions } = await table(`crates/target/cores/${standInOf(board).core}/functions.json`);
      const frames = await generatedFrames(join(folder, 'build', board));
      t.is(frames.length, 5);
      for (const [name, bytes] of frames) t.true(bytes <= (functions[name]?.stack ?? -1), `${name}: ${bytes}`);
    },
  );

  if (!isEmulated) continue;
  withTools(`${board}: every bit is the host's, the stack lasts, the instructions are as predicted`, async t => {
    const onProgress = patient(t);
    const { folder } = await testFirmware(t, {
      scheme: 'bias:4,18:1/4,15:1/8',
      residualBits: 2,
      target: board,
      store: true,
    });
    const result = await runFirmware(folder, { steps: 3, predictions: 2, onProgress });
    t.true(result.equal, JSON.stringify(result.difference));
    t.is(result.board, board);
    t.is(result.linked?.sram, result.planned.sram);
    t.true((result.stackPainted ?? Number.POSITIVE_INFINITY) <= (result.linked?.stack ?? 0) - 8);
    const [measured, predicted] = [result.instructions?.trainStep ?? 0, result.predictedInstructions ?? 0];
    t.true(Math.abs(predicted / measured - 1) < 0.1, `${predicted} predicted, ${measured} measured`);
  });
}
