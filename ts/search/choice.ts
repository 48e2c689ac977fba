import { allResidualBits, defaultResidualBits } from '../defaults.js';
import { thousands } from '../format.js';
import { estimateOf } from '../program/costs.js';
import type { Program } from '../program/program.js';
import { type AnalysisContext, analyse, bitsGains } from './analysis.js';
import { textOf } from './candidate.js';
import type { Limits } from './costs.js';
import { Contribution, evolve, type Scored } from './evolution.js';
import { finalists, type Named } from './proof.js';
import { publishedSchemes } from './published.js';
import type { Contributions, Finalist } from './types.js';
import { largest, type SearchWork } from './work.js';

function analysisContext(work: SearchWork): AnalysisContext {
  const { trials, costs, compiler, plan, clock, emit } = work;
  const { criterion, seed, trialSteps } = plan;
  return {
    ...{ trials, costs, criterion, seed, trialSteps },
    count: compiler.layers,
    limits: largest(work),
    expect: runs => {
      clock.expected.analysis = runs * trialSteps;
    },
    found: contributions => emit({ type: 'round', contributions }),
    progress: (what, done, total) => clock.progress('analysis', what, done, total),
  };
}

async function evolved(
  { compiler, costs, plan, clock, emit }: SearchWork,
  contributions: Contributions,
  limits: Limits,
  bits: readonly number[],
): Promise<{ contribution: Contribution; scored: Scored[] }> {
  const contribution = new Contribution(contributions, compiler.layers, bits);
  const scored = await evolve(contribution, compiler.layers, {
    ...{ costs, limits, seed: plan.seed },
    stopped: () => clock.stopped(),
    progress: (generation, generations, { candidate, sram, sum }) => {
      clock.progress('evolution', `evolution, ${thousands(limits.sram)} B`, generation, generations);
      const best = { scheme: textOf(candidate), residualBits: candidate.residualBits, sram, sum };
      emit({ type: 'generation', budget: limits.sram, generation, evaluations: costs.evaluations, best });
    },
  });
  return { contribution, scored };
}

/** Contributions, including those of residual bits if the search chooses them. */
export async function contributionsOf(work: SearchWork): Promise<Contributions> {
  const context = analysisContext(work);
  const contributions = await analyse(context);
  if (work.plan.residualBits !== 'any') return contributions;
  const { scored } = await evolved(work, contributions, largest(work), [defaultResidualBits]);
  const [best] = scored;
  if (!best?.candidate.layers.some(share => share > 0)) return contributions;
  const others = allResidualBits.filter(bits => bits !== defaultResidualBits);
  return { ...contributions, bits: await bitsGains(context, best.candidate, others) };
}

/** A name that differs from all others. */
function distinctName(name: string, others: ReadonlyMap<string, { readonly name: string }>): string {
  const taken = new Set([...others.values()].map(other => other.name));
  let result = name;
  for (let i = 2; taken.has(result); i++) result = `${name} (${i})`;
  return result;
}

/** The Program of a scheme for the smallest budget that it fits. */
async function smallest(
  { plan, compiler }: SearchWork,
  scheme: Pick<Named, 'scheme' | 'residualBits'>,
): Promise<Program> {
  const { target, feed } = plan;
  const within = (budget: number) =>
    compiler.fitted({ scheme: scheme.scheme, residualBits: scheme.residualBits, budget, target, feed });
  for (const budget of plan.budgets.slice(0, -1)) {
    const program = await within(budget);
    if (program.memory.sram.total <= budget) return program;
  }
  return within(plan.budgets.at(-1) ?? Number.POSITIVE_INFINITY);
}

/** The finalists: for each budget the schemes that evolution found, and the ones with which they are compared. */
export async function finalistsOf(work: SearchWork, contributions: Contributions): Promise<Finalist[]> {
  const { model, plan, compiler, costs, clock } = work;
  const { residualBits, seed } = plan;
  const bits = residualBits === 'any' ? allResidualBits : [residualBits];
  const named = new Map<string, Named & { sum: number }>();
  for (const limits of work.limits) {
    const { contribution, scored } = await evolved(work, contributions, limits, bits);
    const context = {
      ...{ costs, limits, seed, contribution },
      published: publishedSchemes(model.hash),
      count: compiler.layers,
      bits: residualBits === 'any' ? defaultResidualBits : residualBits,
      base: contributions.base,
      stopped: () => clock.stopped(),
    };
    for (const one of await finalists(context, scored)) {
      const key = `${one.scheme} ${one.residualBits}`;
      // A scheme that appears for another budget too keeps its first name.
      if (named.has(key)) continue;
      const many = work.limits.length > 1 && one.kind !== 'baseline';
      const name = distinctName(many ? `${one.name} for ${thousands(limits.sram)} B` : one.name, named);
      named.set(key, { ...one, name, sum: contribution.sum(one.candidate) });
    }
  }
  const result: Finalist[] = [];
  for (const { candidate: _, ...one } of named.values()) {
    clock.stopped();
    const program = await smallest(work, one);
    const sram = program.memory.sram.total;
    const { instructions, time } = estimateOf(program, plan.costs, plan.target);
    const milliseconds = time?.trainStep.milliseconds.likely ?? null;
    result.push({ ...one, sram, instructions: instructions.trainStep, milliseconds });
  }
  return result;
}
