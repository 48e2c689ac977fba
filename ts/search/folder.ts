import { join } from 'node:path';
import { replaceFile } from '../files.js';
import { programFile, writeProgram } from '../program/file.js';
import type { Program } from '../program/program.js';
import type { SearchResult } from './types.js';

function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Writes `scheme.json` (an input of `train` and `compile`), `search.json`, `program.ttp`, and with several budgets a scheme for each. */
export async function writeSearch(folder: string, result: SearchResult, program: Program): Promise<void> {
  const { scheme, residualBits, budget, front } = result;
  if (front.length > 1) {
    for (const point of front) {
      const content = {
        scheme: point.scheme,
        residualBits: point.residualBits,
        budget: point.budget,
        sram: point.sram,
      };
      await replaceFile(join(folder, `scheme-${point.budget}.json`), pretty(content));
    }
  }
  await writeProgram(join(folder, programFile), program);
  await replaceFile(join(folder, 'search.json'), pretty(result));
  const sram = result.memory.sram.total;
  await replaceFile(join(folder, 'scheme.json'), pretty({ scheme, residualBits, budget, sram }));
}
