import { TinytrainError } from '../errors.js';
import { thousands } from '../format.js';
import type { Model } from '../model/model.js';
import { Compiler } from '../program/compiler.js';
import { estimateOf } from '../program/costs.js';
import type { Limits } from './costs.js';
import { checkSearch, type LimitsPlan, limitsPlanOf } from './plan.js';
import type { SearchOptions } from './types.js';

/** One resource that a scheme takes, and the option that limits it. */
interface Limited {
  readonly region: 'sram' | 'flash' | 'instructions' | 'milliseconds';
  readonly limit: number;
  /** The amount needed for training only the head; no scheme takes less. */
  readonly least: number;
  readonly option: string;
}

function checkLimit({ region, limit, least, option }: Limited): void {
  if (least <= limit) return;
  const [of, needs] =
    region === 'instructions' || region === 'milliseconds'
      ? [`a limit of ${thousands(limit)} ${region}`, `takes ${thousands(least)} per step`]
      : [`a budget of ${thousands(limit)} B of ${region === 'sram' ? 'SRAM' : region}`, `needs ${thousands(least)} B`];
  throw new TinytrainError('BUDGET_TOO_SMALL', `${of} is below the smallest scheme: training the head alone ${needs}`, {
    region,
    budget: limit,
    least,
    help: [`the least is ${option} ${least}`],
  });
}

/** Limits for each budget. Throws `BUDGET_TOO_SMALL` if not even the head fits. */
export async function limitsOf(compiler: Compiler, plan: LimitsPlan, signal?: AbortSignal): Promise<Limits[]> {
  const { target, feed } = plan;
  const program = await compiler.fitted({ scheme: 'head', budget: plan.budgets[0], target, feed, signal });
  const { memory } = program;
  const flash = Math.min(plan.flash ?? Number.POSITIVE_INFINITY, memory.flash.available);
  const instructions = plan.maxInstructions ?? Number.POSITIVE_INFINITY;
  const milliseconds = plan.maxMilliseconds ?? Number.POSITIVE_INFINITY;
  const { instructions: step, time } = estimateOf(program, plan.costs, plan.target);
  if (plan.maxMilliseconds !== null && !time) {
    throw new TinytrainError(
      'COSTS_MISSING',
      `no cycles are known of the core of ${plan.target}, so that nothing can be said of time`,
      {
        help: ['a limit on instructions instead: --max-instructions'],
      },
    );
  }
  checkLimit({ region: 'sram', limit: plan.budgets[0] ?? 0, least: memory.sram.total, option: '--budget' });
  checkLimit({ region: 'flash', limit: flash, least: memory.flash.total, option: '--flash' });
  checkLimit({ region: 'instructions', limit: instructions, least: step.trainStep, option: '--max-instructions' });
  if (time) {
    const least = Math.ceil(time.trainStep.milliseconds.likely * 10) / 10;
    checkLimit({ region: 'milliseconds', limit: milliseconds, least, option: '--max-ms' });
  }
  return plan.budgets.map(sram => ({ sram, flash, instructions, milliseconds }));
}

/**
 * Throws `BUDGET_TOO_SMALL` if a limit is below what training only the head needs, before a single sample is read, since that depends only on the number
 * of classes. Also throws `OPTION_INVALID`, `BOARD_UNKNOWN` and `BOARD_INVALID`.
 */
export async function checkBudgets(model: Model, classes: readonly string[], options: SearchOptions): Promise<void> {
  checkSearch(options);
  const { signal } = options;
  await limitsOf(await Compiler.create(model, { classes }, { signal }), limitsPlanOf(options), signal);
}
