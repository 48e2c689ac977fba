import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { compile, defaultImages, type FirmwareFiles, loadModel, type Program, type SampleSet } from '#tinytrain';
import { firmwareFiles, writeFirmware } from '#tinytrain/device/firmware.js';
import { temporary } from './folder.js';

/** Whether commands are there. */
export function has(...commands: readonly string[]): boolean {
  return commands.every(command => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0);
}

/** A firmware folder of the default model. */
export interface TestFirmware {
  readonly folder: string;
  readonly program: Program;
  readonly data: SampleSet;
  readonly files: FirmwareFiles;
}

/** Writes the firmware of the default model with a scheme into a folder that is gone when the test ends. */
export async function testFirmware(
  t: ExecutionContext,
  { scheme = 'bias:4,18:1/4,15:1/8', residualBits = 4, target = 'stm32f746' } = {},
): Promise<TestFirmware> {
  const model = await loadModel();
  const data = await defaultImages(model.input, { trainPerClass: 3, testPerClass: 1 });
  const program = await compile(model, data, { scheme, residualBits, target });
  const files = await firmwareFiles(program, data, target);
  const folder = join(await temporary(t), 'firmware');
  await writeFirmware(folder, files);
  return { folder, program, data, files };
}
