import type { OwnFolder } from '../folder.js';
import { programFile } from '../program/file.js';
import type { Program } from '../program/program.js';
import { recordText } from '../records.js';
import { crewFile, crewKind, type WorkerShares } from './crew.js';
import type { SearchResult } from './types.js';

function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Name of the file with the whole result. */
export const searchFile = 'search.json';

/** Name of the model of a search that goes on from a run. */
export const learnedFile = 'learned.tflite';

/** Name of the file of the contributions as a figure, which the command adds. */
export const figureFile = 'contributions.svg';

function schemeFile(budget: number): string {
  return `scheme-${budget}.json`;
}

/** Names of the files that a search writes at its end, besides its journal. */
export function searchFiles(budgets: readonly number[]): readonly string[] {
  const each = budgets.length > 1 ? budgets.map(schemeFile) : [];
  return ['scheme.json', searchFile, programFile, figureFile, crewFile, ...each];
}

/**
 * Writes `scheme.json` (an input of `train` and `compile`), `search.json`, `program.ttp`, with several budgets a scheme for each, and who has made its runs where it
 * was not this process alone.
 */
export async function writeSearch(
  folder: OwnFolder,
  result: SearchResult,
  program: Program,
  shares: WorkerShares | null,
): Promise<void> {
  const { scheme, residualBits, budget, front } = result;
  const files = new Map<string, string | Uint8Array>();
  if (front.length > 1) {
    for (const point of front) {
      const content = {
        scheme: point.scheme,
        residualBits: point.residualBits,
        budget: point.budget,
        sram: point.sram,
      };
      files.set(schemeFile(point.budget), pretty(content));
    }
  }
  files.set(programFile, program.toBytes());
  files.set(searchFile, pretty(result));
  const sram = result.memory.sram.total;
  files.set('scheme.json', pretty({ scheme, residualBits, budget, sram }));
  if (shares) files.set(crewFile, recordText(crewKind, shares));
  await folder.write(files);
}
