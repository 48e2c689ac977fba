import { targetOf } from '../device/firmware.js';
import type { Origin } from '../origin.js';
import { reopenProgram } from '../origin.js';
import { estimateIfKnown, type PerPass, type Time } from '../program/costs.js';
import type { MemoryTable } from '../program/memory.js';
import type { Program } from '../program/program.js';
import type { WorkerShares } from '../search/crew.js';
import type { SearchResult } from '../search/types.js';
import type { RunResult } from '../train/types.js';
import { version } from '../version.js';
import { type NamedBuffer, namedBuffers } from './buffers.js';
import type { Opened } from './folders.js';
import { type Mistakes, worstMistakes } from './mistakes.js';
import { type Layer, layersOf } from './network.js';
import { type TrainedScheme, trainedSchemes } from './trained.js';

/** What a report shows of a Program; every figure is that of its record or of the addon. */
export interface ProgramFigures {
  readonly hash: string;
  readonly scheme: string;
  readonly residualBits: number;
  readonly memory: MemoryTable;
  /** Instructions and milliseconds, as predicted; null if there are no costs for the core. */
  readonly instructions: PerPass<number> | null;
  readonly time: PerPass<Time> | null;
  readonly arenaBytes: number;
  readonly lowerBound: number;
  /** How many first steps are the forward pass. */
  readonly forward: number;
  readonly steps: readonly { readonly label: string; readonly sizes: string }[];
  readonly buffers: readonly NamedBuffer[];
  readonly layers: readonly Layer[];
}

/** Training runs that differ in nothing but their seed; Program and mistakes are those of the first. */
export interface RunsEntry {
  readonly kind: 'runs';
  readonly path: string;
  readonly model: string;
  readonly data: string;
  readonly runs: readonly RunResult[];
  readonly mistakes: Mistakes;
  readonly program: ProgramFigures;
}

/** A search; the Program is that of the scheme found for the largest budget. */
export interface SearchEntry {
  readonly kind: 'search';
  readonly path: string;
  readonly model: string;
  readonly data: string;
  readonly search: Omit<SearchResult, 'trials'>;
  /** Every scheme that was trained, over its seeds. */
  readonly trained: readonly TrainedScheme[];
  /** Who has made the runs; null where it was one process alone. */
  readonly workers: WorkerShares | null;
  readonly program: ProgramFigures;
}

/** A firmware. */
export interface FirmwareEntry {
  readonly kind: 'firmware';
  readonly path: string;
  readonly model: string;
  readonly data: string;
  readonly target: string;
  readonly program: ProgramFigures;
}

/** What a report shows of one folder. */
export type Entry = RunsEntry | SearchEntry | FirmwareEntry;

/** Everything that a report shows; the page holds it as JSON. */
export interface ReportData {
  readonly tinytrain: string;
  readonly entries: readonly Entry[];
}

/** What a report shows of a Program, on the board `target` if it is named. */
export function figuresOf(program: Program, target?: string): ProgramFigures {
  const { record, hash, scheme, residualBits } = program;
  const { instructions = null, time = null } = estimateIfKnown(program, undefined, target) ?? {};
  const { arenaBytes, forward, plan } = record;
  return {
    ...{ hash, scheme, residualBits, instructions, time, arenaBytes, forward },
    memory: target === undefined ? program.memory : program.memoryOn(target),
    lowerBound: plan.lowerBound,
    steps: record.steps.map(({ label, sizes }) => ({ label, sizes })),
    buffers: namedBuffers(record),
    layers: layersOf(program),
  };
}

/** Model and samples in words. */
export function wordsOf({ model, input, data }: Pick<Origin, 'model' | 'input' | 'data'>): {
  readonly model: string;
  readonly data: string;
} {
  return { model: `${model.name} (${input.shape.join('x')})`, data: data.source };
}

async function entryOf(opened: Opened, signal: AbortSignal | undefined): Promise<Entry | undefined> {
  const { path } = opened;
  if (opened.kind === 'runs') {
    const [first] = opened.runs;
    if (!first) return undefined;
    const { origin } = await first.folder.record();
    return {
      ...{ kind: 'runs', path, ...wordsOf(origin) },
      runs: opened.runs.map(({ result }) => result),
      mistakes: await worstMistakes(first.folder, signal),
      program: figuresOf(await first.folder.program()),
    };
  }
  if (opened.kind === 'search') {
    const { trials: _trials, ...search } = opened.result;
    const program = await reopenProgram(path, search.origin, search.program);
    return {
      ...{ kind: 'search', path, ...wordsOf(search.origin), search },
      trained: trainedSchemes(opened.result),
      workers: opened.workers ?? null,
      // As the search has predicted them, perhaps by a cost table of its own.
      program: { ...figuresOf(program), instructions: search.instructions, time: search.time },
    };
  }
  const { manifest } = opened;
  const program = await reopenProgram(path, manifest.origin, manifest.program);
  const target = targetOf(path, manifest);
  return {
    ...{ kind: 'firmware', path, ...wordsOf(manifest.origin), target: manifest.target },
    program: figuresOf(program, target),
  };
}

/** What a report shows of folders, in their order. Throws the errors of reading their Programs, `ABORTED`. */
export async function reportData(folders: readonly Opened[], signal?: AbortSignal): Promise<ReportData> {
  const entries: Entry[] = [];
  for (const opened of folders) {
    const entry = await entryOf(opened, signal);
    if (entry) entries.push(entry);
  }
  return { tinytrain: version, entries };
}
