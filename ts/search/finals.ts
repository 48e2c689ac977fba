import { estimates, winner } from './proof.js';
import { estimate } from './statistics.js';
import type { Comparison, Estimate, Finalist, Proved, TrialKey, TrialRecord } from './types.js';
import type { SearchWork } from './work.js';

/** Approximate number of finalists: baselines, and for each budget those that were found or drawn; and of those for each budget that are tested. */
const BASELINES = 4;
const FOR_A_BUDGET = 6;
const TESTED = 2;

/** Expected training steps of proof and test, before the finalists are known. */
export function expectedFinals({ plan, samples }: Pick<SearchWork, 'plan' | 'samples'>): {
  proof: number;
  test: number;
} {
  const { length } = plan.budgets;
  const runs = plan.seeds * plan.proofSteps;
  return {
    proof: (BASELINES + FOR_A_BUDGET * length) * runs,
    test: ((BASELINES + TESTED * length) * runs * samples.all.size) / samples.train.size,
  };
}

/** Training runs of some schemes by name; those for which there was no time are missing. */
type Runs = ReadonlyMap<string, readonly TrialRecord[]>;

/** Trains schemes with every seed of the plan: all with one seed before any with the next. */
async function trained(work: SearchWork, phase: 'proof' | 'test', of: readonly Finalist[]): Promise<Runs> {
  const { seed, seeds, proofSteps } = work.plan;
  const { train, all } = work.samples;
  const on = phase === 'test' ? ('test' as const) : ('validation' as const);
  // Each sample is used equally often, whether some are held back or not.
  const steps = phase === 'test' ? Math.round((proofSteps * all.size) / train.size) : proofSteps;
  const keys = Array.from({ length: seeds }, (_, further) =>
    of.map(({ scheme, residualBits }): TrialKey => ({ scheme, residualBits, seed: seed + further, steps, on })),
  ).flat();
  work.clock.expected[phase] = keys.length * steps;
  const records = await work.trials.run(phase, keys, (done, total) => work.clock.progress(phase, phase, done, total));
  return new Map(
    of.map(({ name }, i) => [
      name,
      records.filter((_, place) => place % of.length === i).filter(record => record !== undefined),
    ]),
  );
}

/** Trains the finalists and measures them on the held-back samples. */
export async function prove(work: SearchWork, of: readonly Finalist[]): Promise<Proved[]> {
  const runs = await trained(work, 'proof', of);
  return of.map(finalist => {
    const { accuracy, loss } = estimates(runs.get(finalist.name) ?? []);
    work.emit({ type: 'proof', finalist, validation: accuracy });
    return { ...finalist, accuracy: { validation: accuracy, test: null }, loss: { validation: loss, test: null } };
  });
}

/** The finalists measured on the test split. */
export interface Tested {
  /** With their accuracy on the test split, if there was time for it. */
  readonly named: ReadonlyMap<string, Proved>;
  readonly runs: Runs;
}

/** The finalists to be tested: the winners, first in case the time is short, then for each budget what they are compared with. */
export function toTest(
  proved: readonly Proved[],
  winners: readonly (Proved | undefined)[],
  budgets: readonly number[],
): Proved[] {
  const chosen = winners.filter(one => one !== undefined);
  const randoms = budgets.map(budget => winner(proved.filter(({ kind, sram }) => kind === 'random' && sram <= budget)));
  const others = [...proved.filter(({ kind }) => kind === 'baseline'), ...randoms.filter(one => one !== undefined)];
  return [...new Set([...chosen, ...others])];
}

/** Trains on everything except the test split, and measures on that. */
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

/** The test accuracy of one scheme minus that of another, over the seeds with which both were trained; null if there are none. */
function difference(runs: Runs, one: string, other: string): Estimate | null {
  const own = runs.get(one) ?? [];
  const pairs = (runs.get(other) ?? []).flatMap(record => {
    const same = own.find(({ seed }) => seed === record.seed);
    return same ? [same.accuracy - record.accuracy] : [];
  });
  return pairs.length > 0 ? estimate(pairs) : null;
}

/** The comparison of a scheme with others. */
export function comparisons({ runs }: Tested, one: Proved, others: readonly Proved[]): Comparison[] {
  return others.flatMap(({ name, kind }) => {
    const found = difference(runs, one.name, name);
    return found ? [{ name, kind, difference: found }] : [];
  });
}
