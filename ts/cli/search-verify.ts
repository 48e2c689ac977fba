import { join } from 'node:path';
import type { SampleSet } from '../data/dataset.js';
import { firmwareFiles, writeFirmware } from '../device/firmware.js';
import { runFirmware } from '../device/run.js';
import { thousands } from '../format.js';
import { reopenProgram } from '../origin.js';
import type { SearchResult } from '../search/types.js';
import type { ProgressLine } from './progress.js';

/** A scheme on the device compared with its plan. */
export interface Verified {
  readonly equal: boolean;
  readonly planned: number;
  readonly linked: number | null;
  readonly steps: number;
  /** Instructions of a training step, counted and predicted; null if they cannot be counted. */
  readonly instructions: { readonly counted: number; readonly predicted: number } | null;
}

/** Links the Program found by a search and runs it in QEMU. */
export async function verify(
  out: string,
  data: SampleSet,
  result: SearchResult,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<Verified> {
  const program = await reopenProgram(out, result.origin, result.program);
  const folder = join(out, 'firmware');
  await writeFirmware(folder, await firmwareFiles(program, data, result.plan.target));
  const found = await runFirmware(folder, {
    signal,
    onProgress: ({ phase, done, total }) => line.show(phase, done, total),
  });
  line.clear();
  return {
    equal: found.equal,
    planned: program.memory.sram.total,
    linked: found.linked?.sram ?? null,
    steps: found.steps,
    instructions: found.instructions && {
      counted: found.instructions.trainStep,
      predicted: result.instructions.trainStep,
    },
  };
}

/** The result in one line. */
export function verifiedText({ equal, planned, linked, steps, instructions: step }: Verified): string {
  const bits = equal ? `${thousands(steps)} steps, every bit equal` : 'the device differs from the host';
  const bytesText = linked === null ? '' : `${thousands(linked)} B of SRAM linked, ${thousands(planned)} B planned; `;
  const stepText = step
    ? `${thousands(step.counted)} instructions per step, ${thousands(step.predicted)} predicted; `
    : '';
  return `device   ${bytesText}${stepText}${bits}`;
}
