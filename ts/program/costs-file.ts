import { fileError, TinytrainError } from '../errors.js';
import { readIfThere } from '../files.js';
import { parsed } from '../json.js';
import { call, native } from '../native.js';
import { version } from '../version.js';
import { type CostTable, costTableSchema } from './costs.js';

/** The cost table in a file written by `run --calibrate`; undefined if the file does not exist. Throws `COSTS_INVALID`. */
export async function costsIfThere(path: string): Promise<CostTable | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const costs = parsed(text, costTableSchema, (why, cause) => {
    const help = ['`npx tinytrain run FIRMWARE --calibrate FILE` writes one'];
    return new TinytrainError('COSTS_INVALID', `${path}: not a cost table: ${why}`, { path, help }, cause);
  });
  call(() => native().checkCosts(text), path);
  return costs;
}

/** The cost table in a file written by `run --calibrate`. */
export async function readCosts(path: string): Promise<CostTable> {
  const costs = await costsIfThere(path);
  if (costs) return costs;
  throw fileError(Object.assign(new Error(), { code: 'ENOENT' }), path, 'cannot be read');
}

/** A cost table as the content of a file, for `search --costs`. */
export function costsText({ core, measured, costs, cycles = {} }: CostTable): string {
  const block = (name: string, values: Readonly<Record<string, readonly number[]>>) => {
    const lines = Object.entries(values).map(
      ([kind, value]) => `    ${JSON.stringify(kind)}: ${JSON.stringify(value)}`,
    );
    return `  "${name}": {\n${lines.join(',\n')}\n  }`;
  };
  const head = [
    `  "tinytrain": "${version}"`,
    `  "core": ${JSON.stringify(core)}`,
    `  "measured": ${measured ?? false}`,
  ];
  const parts = [...head, block('costs', costs), block('cycles', cycles)];
  return `{\n${parts.join(',\n')}\n}\n`;
}
