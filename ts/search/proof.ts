import type { ModelDescription } from '../model/model.js';
import { Random } from '../random.js';
import { type Candidate, candidateOf, type Genes, keyOf, shares, textOf } from './candidate.js';
import { type Costs, fits, type Limits } from './costs.js';
import { type Contribution, distinct, drawn, repaired, type Scored } from './evolution.js';
import { publishedSchemes } from './published.js';
import { estimate } from './statistics.js';
import type { Contestant, Estimate, Proved, TrialRecord } from './types.js';

/** The best few of evolution that are trained in earnest. */
const FOUND = 4;
/** In how many genes they differ at least. */
const APART = 2;
/** Random schemes at the same cost. */
const RANDOM = 3;
/** What counts as the same cost: at least this share of it. */
const NEAR = 0.9;
const DRAWS = 16;
const ROUNDS = 8;
/** Steps towards fewer bytes, for each convolution. */
const REPAIRS = 4;

/** What contestants are chosen with. */
export interface ProofContext {
  readonly costs: Costs;
  readonly limits: Limits;
  readonly description: ModelDescription;
  readonly count: number;
  readonly seed: number;
  /** Residual bits of the baselines. */
  readonly bits: number;
  /** The number of biases that the analysis found best. */
  readonly base: number;
  readonly contribution: Contribution;
  /** Asked before more is planned. */
  readonly stopped: () => boolean;
}

type Named = Omit<Contestant, 'sram' | 'instructions' | 'sum'> & { readonly candidate: Candidate };

function named(kind: Contestant['kind'], name: string, candidate: Candidate): Named {
  return { kind, name, candidate, scheme: textOf(candidate), residualBits: candidate.residualBits };
}

async function lastInFull({ costs, limits, count, contribution, bits }: ProofContext): Promise<Named[]> {
  const last = Array.from({ length: count }, (_, i): Candidate => {
    const head = contribution.head(bits);
    return {
      ...head,
      bias: i + 1,
      layers: head.layers.map((_, layer) => (layer >= count - i - 1 ? shares.length : 0)),
    };
  });
  const prices = await costs.of(last);
  const most = last.findLast((_, i) => {
    const price = prices[i];
    return price !== undefined && fits(price, limits);
  });
  return most
    ? [named('baseline', most.bias === 1 ? 'last layer in full' : `last ${most.bias} layers in full`, most)]
    : [];
}

/** Random schemes that cost as much as what was found: of anything, not only of what the analysis thinks well of. */
async function randoms(context: ProofContext, like: Scored): Promise<Named[]> {
  const { costs, limits, count, contribution, seed, stopped } = context;
  const random = new Random(seed, 0x72616e, limits.sram);
  const genes: Genes = {
    biases: contribution.genes.biases,
    layers: Array.from({ length: count }, () => shares.map((_, i) => i + 1)),
    bits: [like.candidate.residualBits],
  };
  const within = { ...limits, sram: like.sram };
  const near = new Map<string, Candidate>();
  for (let round = 0; round < ROUNDS && near.size < RANDOM && !stopped(); round++) {
    const draws = Array.from({ length: DRAWS }, () => drawn(genes, count, random));
    for (const { candidate, cost } of await repaired(draws, genes, costs, within, random, REPAIRS * count)) {
      const key = keyOf(candidate);
      // Where instructions are what is scarce, as many of those count as the same cost.
      const same = cost.sram >= NEAR * like.sram || cost.instructions >= NEAR * limits.instructions;
      if (same && key !== keyOf(like.candidate)) near.set(key, candidate);
    }
  }
  return [...near.values()].slice(0, RANDOM).map((candidate, i) => named('random', `random ${i + 1}`, candidate));
}

/** Who is trained in earnest under one budget: the best few of evolution, and what they are compared with. */
export async function contestants(context: ProofContext, scored: readonly Scored[]): Promise<Named[]> {
  const { costs, limits, description, count, bits, base, contribution } = context;
  const [best] = scored;
  const found = distinct(scored, FOUND, APART).map(({ candidate }, i) => named('found', `found ${i + 1}`, candidate));
  const head = contribution.head(bits);
  const published = publishedSchemes(description).flatMap(({ name, scheme }) => {
    const candidate = candidateOf(scheme, count, bits);
    return candidate ? [named('baseline', name, candidate)] : [];
  });
  const simple = [
    named('baseline', 'head only', head),
    ...(base > 0 ? [named('baseline', `biases of the last ${base}`, { ...head, bias: base })] : []),
    ...published,
  ];
  const prices = await costs.of(simple.map(({ candidate }) => candidate));
  const fitting = simple.filter((_, i) => {
    const price = prices[i];
    return price !== undefined && fits(price, limits);
  });
  const full = await lastInFull(context);
  const all = [...fitting, ...full, ...found, ...(best ? await randoms(context, best) : [])];
  // What is found may be a baseline; it then bears the baseline's name.
  return [...new Map(all.toReversed().map(one => [keyOf(one.candidate), one])).values()].toReversed();
}

/** Accuracy and loss over seeds. */
export function estimates(records: readonly TrialRecord[]): { accuracy: Estimate; loss: Estimate } {
  return {
    accuracy: estimate(records.map(({ accuracy }) => accuracy)),
    loss: estimate(records.map(({ loss }) => loss)),
  };
}

/** The best on held-back samples: by accuracy, then by loss, then by bytes. Those with fewer seeds than others do not count. */
export function winner(proved: readonly Proved[]): Proved | undefined {
  const seeds = Math.max(0, ...proved.map(({ accuracy }) => accuracy.validation.seeds));
  return proved
    .filter(({ accuracy }) => seeds > 0 && accuracy.validation.seeds === seeds)
    .sort(
      (a, b) =>
        b.accuracy.validation.mean - a.accuracy.validation.mean ||
        a.loss.validation.mean - b.loss.validation.mean ||
        a.sram - b.sram,
    )[0];
}
