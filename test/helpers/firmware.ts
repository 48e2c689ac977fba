import { spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
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

/** A model for a firmware; the default model where nothing is said. */
export interface FirmwareOptions {
  readonly scheme?: string;
  readonly residualBits?: number;
  readonly seed?: number;
  readonly target?: string;
  readonly model?: string;
  readonly input?: { readonly height: number; readonly width: number };
  readonly budget?: number;
  readonly feed?: 'whole' | 'rows';
  readonly store?: boolean;
  readonly replay?: number;
}

const smallest = { scheme: 'bias:4,18:1/4,15:1/8', residualBits: 4, seed: 0, target: 'stm32f746' };

/** Compiles a Program and what its firmware consists of. */
async function compiled(options: FirmwareOptions): Promise<Omit<TestFirmware, 'folder'>> {
  const { model: path, input, ...chosen } = { ...smallest, ...options };
  const model = await loadModel(path, input && { input });
  const data = await defaultImages(model.input, { trainPerClass: 3, testPerClass: 1 });
  const program = await compile(model, data, chosen);
  return { program, data, files: await firmwareFiles(program, data, chosen.target) };
}

/** Writes a firmware into a folder that is gone when the test ends. */
export async function testFirmware(t: ExecutionContext, options: FirmwareOptions = {}): Promise<TestFirmware> {
  const made = await compiled(options);
  const folder = join(await temporary(t), 'firmware');
  await writeFirmware(folder, made.files);
  return { folder, ...made };
}

/** Turns a firmware folder into that of another Program; files that stay the same are left alone, so that what was built of them is not built again. */
export async function anotherFirmware(folder: string, options: FirmwareOptions): Promise<TestFirmware> {
  const made = await compiled(options);
  for (const [path, text] of made.files) {
    const file = join(folder, path);
    if ((await fs.readFile(file, 'utf8').catch(() => undefined)) !== text) await fs.writeFile(file, text);
  }
  return { folder, ...made };
}
