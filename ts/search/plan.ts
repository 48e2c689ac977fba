import { allResidualBits, defaultResidualBits } from '../defaults.js';
import type { Model } from '../model/model.js';
import { checkOption, checkRate, checkWhole } from '../options.js';
import { boardPlace } from '../program/compiler.js';
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
const SEEDS = 3;

/** Default share of the training samples that is held back. */
export const defaultHeldBack = 0.2;

/** The part of a plan that limits the cost of a scheme. */
export type LimitsPlan = Pick<
  SearchPlan,
  'budgets' | 'flash' | 'maxInstructions' | 'maxMilliseconds' | 'costs' | 'target' | 'feed'
>;

function checkLimitsPlan({ budgets, ...most }: LimitsPlan): void {
  checkOption('budgets', budgets.length, budgets.length > 0, 'at least one budget');
  for (const budget of budgets) checkOption('budget', budget, Number.isSafeInteger(budget) && budget > 0, 'bytes');
  for (const name of ['maxInstructions', 'maxMilliseconds'] as const) {
    const value = most[name];
    if (value !== null) checkOption(name, value, value > 0 && Number.isFinite(value), 'a number above 0');
  }
}

/** The limits on the cost of a scheme, with defaults for omitted options. Throws `OPTION_INVALID`, `BOARD_UNKNOWN`, `BOARD_INVALID`. */
export function limitsPlanOf(options: SearchOptions): LimitsPlan {
  const plan = {
    budgets: [...new Set(options.budgets)].sort((a, b) => a - b),
    flash: options.flash ?? null,
    maxInstructions: options.maxInstructions ?? null,
    maxMilliseconds: options.maxMilliseconds ?? null,
    costs: options.costs ?? null,
    target: boardPlace(options.target ?? defaultTarget),
    feed: options.feed ?? 'whole',
  };
  checkLimitsPlan(plan);
  return plan;
}

function checkPlan(plan: SearchPlan): void {
  checkWhole('seed', plan.seed, 0, Number.MAX_SAFE_INTEGER);
  for (const name of ['seeds', 'trialSteps', 'proofSteps'] as const) checkWhole(name, plan[name], 1);
  if (plan.lr !== 'auto') checkRate('lr', plan.lr);
  checkOption('heldBack', plan.heldBack, plan.heldBack > 0 && plan.heldBack < 1, 'a share between 0 and 1');
  const bits = plan.residualBits;
  if (bits === 'any') return;
  checkOption('residualBits', bits, allResidualBits.includes(bits), `one of ${allResidualBits.join(', ')}, or any`);
}

/** The plan of a search, with defaults for omitted options. Throws the errors of `limitsPlanOf`. */
export function searchPlanOf(model: Model, samples: SearchSamples, options: SearchOptions): SearchPlan {
  const macs = model.description.backbone?.macs ?? 1;
  const size = samples.train.size;
  const affordable = (total: number, least: number) => Math.max(least, Math.round(total / macs));
  const plan: SearchPlan = {
    ...limitsPlanOf(options),
    residualBits: options.residualBits ?? defaultResidualBits,
    criterion: options.criterion ?? 'loss',
    seed: options.seed ?? 0,
    seeds: options.seeds ?? SEEDS,
    trialSteps:
      options.trialSteps ??
      Math.min(Math.max(Math.round(ANALYSIS_SHARE * size), LEAST_STEPS), affordable(ANALYSIS_MACS, LEAST_STEPS)),
    proofSteps: options.proofSteps ?? Math.min(2 * size, affordable(PROOF_MACS, LEAST_PROOF)),
    heldBack: options.heldBack ?? defaultHeldBack,
    lr: options.lr ?? 'auto',
  };
  checkPlan(plan);
  return plan;
}
