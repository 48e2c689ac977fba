import { join } from 'node:path';
import * as v from 'valibot';
import { allResidualBits } from '../defaults.js';
import { TinytrainError } from '../errors.js';
import { readIfThere } from '../files.js';
import { settle } from '../folder.js';
import { count, parsed, sha256 } from '../json.js';
import { originSchema, programOrigin } from '../origin.js';
import { memoryTable } from '../program/memory.js';
import { readRecord } from '../records.js';
import { crewFile, crewKind, type WorkerShares } from './crew.js';
import { searchFile } from './folder.js';
import { journalFile, planSchema, trialSchema } from './journal.js';
import type { SearchResult } from './types.js';

const real = v.pipe(v.number(), v.finite());
const estimate = v.object({ mean: real, standardError: v.nullable(real), seeds: count });
const measured = v.object({ validation: estimate, test: v.nullable(estimate) });
const kind = v.picklist(['found', 'baseline', 'random']);
const bits = v.picklist(allResidualBits);
const gain = { loss: estimate, accuracy: estimate };

const price = { sram: count, instructions: real, milliseconds: v.nullable(real) };

const proved = {
  name: v.string(),
  kind,
  scheme: v.string(),
  residualBits: bits,
  ...price,
  sum: real,
  accuracy: measured,
  loss: measured,
};

const milliseconds = v.object({ low: real, likely: real, high: real });
const time = v.object({ milliseconds, clockHz: real, source: v.picklist(['modelled', 'measured']) });

const contributions = v.object({
  criterion: v.picklist(['loss', 'accuracy']),
  head: v.object(gain),
  biases: v.array(v.object({ bias: count, ...price, ...gain })),
  base: count,
  layers: v.array(v.object({ layer: count, share: v.string(), biases: count, ...price, ...gain })),
  bits: v.array(v.object({ residualBits: bits, ...gain })),
});

const schema: v.GenericSchema<unknown, SearchResult> = v.object({
  tinytrain: v.string(),
  origin: originSchema,
  model: v.object({ name: v.string(), hash: sha256, input: v.array(count) }),
  data: v.object({ hash: v.string(), classes: v.array(v.string()), train: count, validation: count, test: count }),
  plan: planSchema,
  program: programOrigin,
  scheme: v.string(),
  residualBits: bits,
  budget: count,
  memory: memoryTable,
  instructions: v.object({ inference: real, trainStep: real }),
  time: v.nullable(v.object({ inference: time, trainStep: time })),
  accuracy: measured,
  baselines: v.array(v.object(proved)),
  contributions,
  front: v.array(
    v.object({
      budget: count,
      ...proved,
      comparisons: v.array(v.object({ name: v.string(), kind, difference: estimate })),
    }),
  ),
  prediction: v.object({ spearman: v.nullable(real), schemes: count }),
  evaluations: count,
  trials: v.array(trialSchema),
  leftOut: v.array(v.string()),
});

/** The result of a search that has ended, from its folder. Throws `SEARCH_MISSING`, `SEARCH_UNFINISHED`, `SEARCH_BROKEN`. */
export async function readSearch(folder: string): Promise<SearchResult> {
  await settle(folder);
  const path = join(folder, searchFile);
  const text = await readIfThere(path);
  if (text !== undefined) {
    return parsed(text, schema, (why, cause) => {
      return new TinytrainError('SEARCH_BROKEN', `${path}: not a valid result of a search: ${why}`, { path }, cause);
    });
  }
  if ((await readIfThere(join(folder, journalFile))) === undefined) {
    throw new TinytrainError('SEARCH_MISSING', `${folder}: there is no search here`, { path: folder });
  }
  throw new TinytrainError('SEARCH_UNFINISHED', `${folder}: the search has not ended yet`, {
    path: folder,
    help: [`continue it: npx tinytrain search --resume ${folder}`],
  });
}

/** Who has made the runs of a search that has ended; undefined where it was one process alone. Throws `SEARCH_BROKEN`. */
export async function readShares(folder: string): Promise<WorkerShares | undefined> {
  return (await readRecord(join(folder, crewFile), crewKind))?.content;
}
