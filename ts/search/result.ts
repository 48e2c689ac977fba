import type { SampleSet } from '../data/dataset.js';
import { originOf, programOriginOf } from '../origin.js';
import { estimateOf } from '../program/costs.js';
import type { Program } from '../program/program.js';
import { version } from '../version.js';
import { comparisons, type Tested } from './finals.js';
import { spearman } from './statistics.js';
import type { Contributions, FrontPoint, Proved, SearchResult } from './types.js';
import type { SearchWork } from './work.js';

/** The findings of the phases of a search. */
export interface Findings {
  readonly contributions: Contributions;
  readonly proved: readonly Proved[];
  /** The best scheme for each budget of the plan; undefined if none was proved for it. */
  readonly winners: readonly (Proved | undefined)[];
  /** The best scheme for the largest budget. */
  readonly found: Proved;
  readonly tested: Tested;
  /** The Program of `found`. */
  readonly program: Program;
}

function frontOf({ budgets }: SearchWork['plan'], { winners, proved, tested }: Findings): FrontPoint[] {
  return budgets.flatMap((budget, i): FrontPoint[] => {
    const one = winners[i];
    if (!one) return [];
    const others = proved.filter(({ name, sram }) => name !== one.name && sram <= budget);
    return [{ budget, ...(tested.named.get(one.name) ?? one), comparisons: comparisons(tested, one, others) }];
  });
}

/** The result of a search from the findings of its phases. */
export function resultOf(work: SearchWork, data: SampleSet, findings: Findings): SearchResult {
  const { model, samples, plan, trials, costs } = work;
  const { contributions, proved, found, tested, program } = findings;
  const best = tested.named.get(found.name) ?? found;
  const judged = proved.filter(({ accuracy }) => accuracy.validation.seeds > 0);
  const others = proved.filter(({ name }) => name !== found.name);
  const { name, input } = model.description;
  const { instructions, time } = estimateOf(program, plan.costs, plan.target);
  return {
    tinytrain: version,
    origin: originOf({ model: model.origin, input: model.input }, data),
    model: { name, hash: model.hash, input: input.shape },
    data: {
      hash: data.hash,
      classes: data.classes,
      train: samples.train.size,
      validation: samples.validation.size,
      test: samples.test.size,
    },
    plan,
    program: programOriginOf(program),
    scheme: best.scheme,
    residualBits: best.residualBits,
    budget: plan.budgets.at(-1) ?? 0,
    memory: program.memory,
    instructions,
    time,
    accuracy: best.accuracy,
    baselines: others.map(one => tested.named.get(one.name) ?? one),
    contributions,
    front: frontOf(plan, findings),
    prediction: {
      spearman: spearman(
        judged.map(({ sum }) => sum),
        judged.map(({ accuracy }) => accuracy.validation.mean),
      ),
      schemes: judged.length,
    },
    evaluations: costs.evaluations,
    trials: trials.records(),
    leftOut: [...trials.leftOut].map(([what, runs]) => `${what}: ${runs} training runs`),
  };
}
