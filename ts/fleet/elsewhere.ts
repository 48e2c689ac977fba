import { resolve } from 'node:path';
import * as v from 'valibot';
import type { Dataset, SampleSet } from '../data/dataset.js';
import { aborted, TinytrainError } from '../errors.js';
import { count, parsed, sha256 } from '../json.js';
import { type Origin, originOf, originSchema } from '../origin.js';
import type { Program } from '../program/program.js';
import { blobBytes } from '../queue/blobs.js';
import type { Crew } from '../queue/crew.js';
import { SetSender } from '../queue/sets.js';
import { closedProgress, openedProgress, type RunFolder } from '../train/run.js';
import { planOf, type TrainOptions } from '../train/train.js';
import {
  planSchema,
  progressSchema,
  type RunResult,
  type RunState,
  resultSchema,
  type TrainPlan,
  type TrainResult,
} from '../train/types.js';

/** What decides a training run beside its Program, as it travels. */
export interface TrainingFacts {
  readonly origin: Origin;
  readonly plan: TrainPlan;
  /** Names of sets of samples. */
  readonly sets: { readonly train: string; readonly validation?: string | undefined; readonly test: string };
  readonly skipped: readonly string[];
  readonly repeated: SampleSet['repeated'] | null;
}

/** Schema of what came out of Redis. */
export const factsSchema: v.GenericSchema<unknown, TrainingFacts> = v.object({
  origin: originSchema,
  plan: planSchema,
  sets: v.object({ train: sha256, validation: v.optional(sha256), test: sha256 }),
  skipped: v.array(v.string()),
  repeated: v.nullable(v.object({ count, first: v.nullable(v.object({ train: v.string(), test: v.string() })) })),
});

/** What a training run ends with. */
interface Ended {
  readonly progress: RunState;
  readonly result: RunResult;
}

const endedSchema = v.object({ progress: progressSchema, result: resultSchema });

/** What a training run ends with, as JSON. */
export function endedText({ progress, result }: Ended): string {
  return JSON.stringify({ progress: closedProgress(progress), result });
}

/** How often what Redis has lost is sent again. */
const SENDINGS = 5;

/** Puts what decides a run in Redis. Returns the job, and the blobs that nothing else needs. */
async function sent(crew: Crew, program: Program, data: SampleSet, plan: TrainPlan) {
  const sender = new SetSender(crew.blobs);
  const mine: string[] = [];
  const set = async (part: Dataset): Promise<string> => {
    // As paths that mean the same in any working folder.
    const names = data.origin && data.origin.kind !== 'drawn' ? part.names.map(name => resolve(name)) : part.names;
    const { name, samples } = await sender.send(part, { names });
    mine.push(name, samples);
    return name;
  };
  const { validation } = data;
  const sets = {
    train: await set(data.train),
    ...(validation && { validation: await set(validation) }),
    test: await set(data.test),
  };
  const facts: TrainingFacts = {
    origin: originOf(program, data),
    plan,
    sets,
    skipped: data.skipped.map(({ path }) => path),
    repeated: data.repeated ?? null,
  };
  const job = {
    kind: 'training',
    program: await crew.blobs.putBytes(program.toBytes()),
    facts: await crew.blobs.putBytes(JSON.stringify(facts)),
  } as const;
  return { job, mine: [...mine, job.program, job.facts] };
}

/** `train`, made by a worker on any machine: the same bits in the same folder. Throws what `train` throws, and what makes a worker fail. */
export async function trainElsewhere(
  crew: Crew,
  program: Program,
  data: SampleSet,
  options: TrainOptions & { readonly run: RunFolder; readonly signal: AbortSignal },
): Promise<TrainResult> {
  const { run, signal } = options;
  const plan = planOf(program, data, options);
  await run.begin(program, data, plan);
  try {
    for (let again = 0; ; again++) {
      if (signal.aborted) throw aborted('training', signal);
      const { job, mine } = await sent(crew, program, data, plan);
      try {
        const { found } = await crew.ask(job, signal);
        const text = (await blobBytes(crew.blobs, found)).toString();
        const errorOf = (why: string) =>
          new TinytrainError('JOB_BROKEN', `the result of a training run is none: ${why}`);
        const ended = parsed(text, endedSchema, errorOf);
        const progress = openedProgress(ended.progress);
        // A worker need not know the board.
        const result = { ...ended.result, memory: program.memory };
        checkFits(program, progress, result);
        await run.save(progress);
        await run.finish(result);
        for (const name of [...mine, found]) await crew.blobs.drop(name);
        return { ...result, state: { family: program.family, bytes: Uint8Array.from(progress.checkpoint.state) } };
      } catch (error) {
        const lost = error instanceof TinytrainError && error.code === 'BLOB_MISSING' && again < SENDINGS;
        if (!lost) throw error;
        // The result may be what is lost.
        await crew.forget(job);
      }
    }
  } finally {
    await run.end();
  }
}

/** Throws unless a result is one of this Program. */
function checkFits(program: Program, { checkpoint }: RunState, { program: hash }: RunResult): void {
  if (hash === program.hash && checkpoint.state.length === program.initialState().length) return;
  throw new TinytrainError('JOB_BROKEN', 'the result of a training run is one of another program');
}
