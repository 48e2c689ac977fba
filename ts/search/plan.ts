import type { Model } from '../model/model.js';
import { options as all, checkOptions, object, optionTable } from '../options.js';
import { boardPlace } from '../program/compiler.js';
import type { CostTable } from '../program/costs.js';
import { defaultTarget } from '../program/memory.js';
import type { SearchSamples } from './heldout.js';
import type { SearchOptions, SearchPlan } from './types.js';

/** The steps of a run of the analysis by default, as a share of the training samples. */
const ANALYSIS_SHARE = 0.5;
/** Default limit on the multiply-accumulates of a run's forward passes. */
const ANALYSIS_MACS = 3.5e10;
const PROOF_MACS = 1.4e11;
const LEAST_STEPS = 200;
const LEAST_PROOF = 1000;

const searchOptions = optionTable<SearchOptions>({
  budgets: all.budgets,
  flash: all.flash,
  maxInstructions: all.maxInstructions,
  maxMilliseconds: all.maxMilliseconds,
  costs: object<CostTable>('a cost table', 'a cost table', value => 'costs' in value && 'core' in value),
  target: all.target,
  feed: all.feed,
  residualBits: all.bitsOfSearch,
  criterion: all.criterion,
  seed: all.seed,
  seeds: all.runsPerScheme,
  trialSteps: all.trialSteps,
  proofSteps: all.proofSteps,
  heldBack: all.heldBack,
  lr: all.lrOfSearch,
  threads: all.threads,
  cacheBytes: all.cacheBytes,
  workers: all.workers,
  seconds: all.time,
  out: all.searchOut,
  files: object('files that are written with the journal', 'files by name', value => value instanceof Map),
  resume: all.resume,
  signal: all.signal,
});

/** Throws `OPTION_INVALID` for an option of a search that is none. */
export function checkSearch(options: SearchOptions): void {
  checkOptions(searchOptions, options);
}

/** The part of a plan that limits the cost of a scheme. */
export type LimitsPlan = Pick<
  SearchPlan,
  'budgets' | 'flash' | 'maxInstructions' | 'maxMilliseconds' | 'costs' | 'target' | 'feed'
>;

/** The limits on the cost of a scheme, with defaults for omitted options. Throws `BOARD_UNKNOWN`, `BOARD_INVALID`. */
export function limitsPlanOf(options: SearchOptions): LimitsPlan {
  const plan = {
    budgets: [...new Set(options.budgets)].sort((a, b) => a - b),
    flash: options.flash ?? null,
    maxInstructions: options.maxInstructions ?? null,
    maxMilliseconds: options.maxMilliseconds ?? null,
    costs: options.costs ?? null,
    target: boardPlace(options.target ?? defaultTarget),
    feed: options.feed ?? all.feed.default,
  };
  return plan;
}

/** The plan of a search, with defaults for omitted options. Throws the errors of `limitsPlanOf`. */
export function searchPlanOf(model: Model, samples: SearchSamples, options: SearchOptions): SearchPlan {
  const macs = model.description.backbone?.macs ?? 1;
  const size = samples.train.size;
  const affordable = (total: number, least: number) => Math.max(least, Math.round(total / macs));
  const plan: SearchPlan = {
    ...limitsPlanOf(options),
    residualBits: options.residualBits ?? all.bitsOfSearch.default,
    criterion: options.criterion ?? all.criterion.default,
    seed: options.seed ?? all.seed.default,
    seeds: options.seeds ?? all.runsPerScheme.default,
    trialSteps:
      options.trialSteps ??
      Math.min(Math.max(Math.round(ANALYSIS_SHARE * size), LEAST_STEPS), affordable(ANALYSIS_MACS, LEAST_STEPS)),
    proofSteps: options.proofSteps ?? Math.min(2 * size, affordable(PROOF_MACS, LEAST_PROOF)),
    heldBack: options.heldBack ?? all.heldBack.default,
    lr: options.lr ?? 'auto',
  };
  return plan;
}
