import { estimates } from './proof.js';
import { estimate } from './statistics.js';
import type { Comparison, Contestant, Estimate, Proved, TrialKey, TrialRecord } from './types.js';
import type { SearchWork } from './work.js';

/** Schemes that are trained in earnest, about: baselines, and for each budget those that were found or drawn. */
const BASELINES = 4;
const FOR_A_BUDGET = 7;

/** Training steps of proof and test, before it is known what takes part in them. */
export function expectedFinals({ plan, samples }: Pick<SearchWork, 'plan' | 'samples'>): {
  proof: number;
  test: number;
} {
  const proof = (BASELINES + FOR_A_BUDGET * plan.budgets.length) * plan.seeds * plan.proofVisits;
  return { proof, test: (proof * samples.all.size) / samples.train.size };
}

/** Training runs of some schemes by name; those that there was no time for are missing. */
type Runs = ReadonlyMap<string, readonly TrialRecord[]>;

/** Trains schemes with every seed of the plan: all of them with one seed before any with the next. */
async function trained(work: SearchWork, phase: 'proof' | 'test', of: readonly Contestant[]): Promise<Runs> {
  const { seed, seeds, proofVisits } = work.plan;
  const { train, all } = work.samples;
  const on = phase === 'test' ? ('test' as const) : ('validation' as const);
  // Every sample as often, whether some are held back or not.
  const visits = phase === 'test' ? Math.round((proofVisits * all.size) / train.size) : proofVisits;
  const keys = Array.from({ length: seeds }, (_, further) =>
    of.map(({ scheme, residualBits }): TrialKey => ({ scheme, residualBits, seed: seed + further, visits, on })),
  ).flat();
  work.clock.expected[phase] = keys.length * visits;
  const records = await work.trials.run(phase, keys, (done, total) => work.clock.progress(phase, phase, done, total));
  return new Map(
    of.map(({ name }, i) => [
      name,
      records.filter((_, place) => place % of.length === i).filter(record => record !== undefined),
    ]),
  );
}

/** Trains in earnest, and measures on the held-back samples. */
export async function prove(work: SearchWork, of: readonly Contestant[]): Promise<Proved[]> {
  const runs = await trained(work, 'proof', of);
  return of.map(contestant => {
    const { accuracy, loss } = estimates(runs.get(contestant.name) ?? []);
    work.emit({ type: 'proof', contestant, validation: accuracy });
    return { ...contestant, accuracy: { validation: accuracy, test: null }, loss: { validation: loss, test: null } };
  });
}

/** Schemes as the test split judges them. */
export interface Tested {
  /** With their accuracy on the test split, where there was time for it. */
  readonly named: ReadonlyMap<string, Proved>;
  readonly runs: Runs;
}

/** Trains on everything but the test split, and measures on that. */
export async function test(work: SearchWork, of: readonly Proved[]): Promise<Tested> {
  const runs = await trained(work, 'test', of);
  const named = of.map((one): [string, Proved] => {
    const own = runs.get(one.name) ?? [];
    if (own.length === 0) return [one.name, one];
    const { accuracy, loss } = estimates(own);
    return [one.name, { ...one, accuracy: { ...one.accuracy, test: accuracy }, loss: { ...one.loss, test: loss } }];
  });
  return { named: new Map(named), runs };
}

/** The test accuracy of one scheme less that of another, over the seeds that both were trained with; null where there are none. */
function difference(runs: Runs, one: string, other: string): Estimate | null {
  const own = runs.get(one) ?? [];
  const pairs = (runs.get(other) ?? []).flatMap(record => {
    const same = own.find(({ seed }) => seed === record.seed);
    return same ? [same.accuracy - record.accuracy] : [];
  });
  return pairs.length > 0 ? estimate(pairs) : null;
}

/** A scheme beside others. */
export function comparisons({ runs }: Tested, one: Proved, others: readonly Proved[]): Comparison[] {
  return others.flatMap(({ name, kind }) => {
    const found = difference(runs, one.name, name);
    return found ? [{ name, kind, difference: found }] : [];
  });
}
