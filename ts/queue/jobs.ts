import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { isErrorCode } from '../codes.js';
import { type ErrorDetails, messageOf, TinytrainError } from '../errors.js';
import { checked, count, parsed, sha256 } from '../json.js';
import { rate } from '../options.js';

const learningRate = v.pipe(
  v.number(),
  v.check(value => rate.is(value), 'a learning rate'),
);
const steps = v.pipe(count, v.minValue(1), v.maxValue(2 ** 32 - 1));

/** One training run of a search. Blobs are named by their SHA-256. */
const trialJob = v.object({
  kind: v.literal('trial'),
  /** The Program file. */
  program: sha256,
  /** The samples on which it trains, and those on which it is measured: sets as in `sets.ts`. */
  learned: sha256,
  measured: sha256,
  rate: learningRate,
  steps,
  seed: count,
  /**
   * The first steps that this Program and others have in common and do not train, whose activations are worth keeping: how many, the Program that computes them,
   * and for how many such depths a worker divides its memory. Does not affect results.
   */
  level: v.nullable(v.object({ depth: count, program: sha256, of: v.pipe(count, v.minValue(1)) })),
});

/** One whole training run, as `train` makes it. */
const trainingJob = v.object({
  kind: v.literal('training'),
  /** The Program file. */
  program: sha256,
  /** The rest of what decides the run, as JSON: see `ts/fleet/elsewhere.ts`. */
  facts: sha256,
});

const anyJob = v.variant('kind', [trialJob, trainingJob]);

export type TrialJob = Readonly<v.InferOutput<typeof trialJob>>;
export type TrainingJob = Readonly<v.InferOutput<typeof trainingJob>>;
/** A job in the queue. */
export type Job = TrialJob | TrainingJob;

/** Schema of the worker that has made a run. */
export const makerSchema = v.object({
  host: v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/)),
  process: count,
  threads: v.pipe(count, v.minValue(1)),
  begun: v.pipe(count, v.minValue(1)),
});

const trialResult = v.object({
  /** Samples that are classified correctly after training. */
  correct: count,
  /** Sum of their losses, with 16 fraction bits. */
  loss: v.pipe(v.number(), v.safeInteger()),
  /** SHA-256 over all trainable state. */
  checksum: sha256,
  /** How long it took; no result depends on it. */
  seconds: v.pipe(v.number(), v.finite(), v.minValue(0)),
  by: v.optional(makerSchema),
});

/** The result of a training run is a blob, which holds progress and result as JSON. */
const trainingResult = v.object({ found: sha256 });

export type TrainingFound = Readonly<v.InferOutput<typeof trainingResult>>;
export type TrialFound = Readonly<v.InferOutput<typeof trialResult>>;

/** What each kind of job yields. */
export interface FoundBy {
  readonly trial: TrialFound;
  readonly training: TrainingFound;
}

const results: { readonly [K in Job['kind']]: v.GenericSchema<unknown, FoundBy[K]> } = {
  trial: trialResult,
  training: trainingResult,
};

/** A job as it came out of Redis. Throws `JOB_BROKEN`. */
export function jobOf(data: unknown): Job {
  return checked(data, anyJob, why => new TinytrainError('JOB_BROKEN', `a job in the queue is none: ${why}`));
}

/** The result of a job as it came out of Redis. Throws `JOB_BROKEN`. */
export function foundOf<K extends Job['kind']>(kind: K, value: unknown): FoundBy[K] {
  const schema: v.GenericSchema<unknown, FoundBy[K]> = results[kind];
  return checked(value, schema, why => new TinytrainError('JOB_BROKEN', `the result of a job is none: ${why}`));
}

/**
 * The name of a job: the same job has the same name, whoever asks for it, so that a search that was killed finds what was done for it in the meantime. What does
 * not affect the result is left out.
 */
export function nameOf(job: Job): string {
  const facts = job.kind === 'trial' ? { ...job, level: undefined } : job;
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}

const failure = v.object({
  code: v.pipe(v.string(), v.guard(isErrorCode)),
  message: v.string(),
  details: v.record(v.string(), v.unknown()),
});

/** An error as the queue carries it. */
export function failureText(error: unknown): string {
  const { code, message, details } =
    error instanceof TinytrainError ? error : new TinytrainError('INTERNAL', `internal: ${messageOf(error)}`);
  return JSON.stringify({ code, message, details });
}

/** The error that a queue has carried; what the queue itself says of a job is one as well. */
export function failureOf(text: string): TinytrainError {
  const other = () => new TinytrainError('JOB_FAILED', `a worker has failed: ${text}`);
  try {
    const { code, message, details } = parsed(text, failure, other);
    const { help, ...rest } = details;
    const lines = v.safeParse(v.array(v.string()), help);
    const all: ErrorDetails = lines.success ? { ...rest, help: lines.output } : rest;
    return new TinytrainError(code, message, all);
  } catch {
    return other();
  }
}
