import { Random } from '../random.js';
import { type Candidate, candidateOf, type Genes, keyOf, shares, textOf } from './candidate.js';
import { type CandidateCosts, fits, type Limits } from './costs.js';
import { type Contribution, distinct, drawn, repaired, type Scored } from './evolution.js';
import type { Published } from './published.js';
import { estimate } from './statistics.js';
import type { Estimate, Finalist, Proved, TrialRecord } from './types.js';

/** Number of the best candidates of evolution that become finalists. */
const FOUND = 3;
/** The least number of genes in which they differ. */
const APART = 2;
/** Number of random schemes of the same cost. */
const RANDOM = 3;
/** Costs of at least this share count as the same. */
const NEAR = 0.9;
const DRAWS = 16;
const ROUNDS = 8;
/** Steps towards fewer bytes, for each convolution. */
const REPAIRS = 4;

/** The inputs for selecting finalists. */
export interface ProofContext {
  readonly costs: CandidateCosts;
  readonly limits: Limits;
  /** Schemes that were published for this model. */
  readonly published: readonly Published[];
  readonly count: number;
  readonly seed: number;
  /** Residual bits of the baselines. */
  readonly bits: number;
  /** The best number of biases according to the analysis. */
  readonly base: number;
  readonly contribution: Contribution;
  /** Called before more candidates are planned; true stops. */
  readonly stopped: () => boolean;
}

/** A finalist with its candidate, before its Program is compiled. */
export type Named = Omit<Finalist, 'sram' | 'instructions' | 'milliseconds' | 'sum'> & {
  readonly candidate: Candidate;
};

function named(kind: Finalist['kind'], name: string, candidate: Candidate): Named {
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
  const prices = await costs.of(last, limits);
  const most = last.findLast((_, i) => {
    const price = prices[i];
    return price !== undefined && fits(price, limits);
  });
  return most
    ? [named('baseline', most.bias === 1 ? 'last layer in full' : `last ${most.bias} layers in full`, most)]
    : [];
}

/** Random schemes with the cost of the found ones, of all convolutions rather than only those that the analysis prefers. */
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
      // If instructions or time are the scarce resource, the same amount of them counts as the same cost.
      const { instructions, milliseconds } = limits;
      const slow = cost.instructions >= NEAR * instructions || cost.milliseconds >= NEAR * milliseconds;
      const same = cost.sram >= NEAR * like.sram || slow;
      if (same && key !== keyOf(like.candidate)) near.set(key, candidate);
    }
  }
  return [...near.values()].slice(0, RANDOM).map((candidate, i) => named('random', `random ${i + 1}`, candidate));
}

/** The finalists for one budget: the best candidates of evolution, and the schemes with which they are compared. */
export async function finalists(context: ProofContext, scored: readonly Scored[]): Promise<Named[]> {
  const { costs, limits, count, bits, base, contribution } = context;
  const [best] = scored;
  const found = distinct(scored, FOUND, APART).map(({ candidate }, i) => named('found', `found ${i + 1}`, candidate));
  const head = contribution.head(bits);
  const published = context.published.flatMap(({ name, scheme }) => {
    const candidate = candidateOf(scheme, count, bits);
    return candidate ? [named('baseline', name, candidate)] : [];
  });
  const simple = [
    named('baseline', 'head only', head),
    ...(base > 0 ? [named('baseline', `biases of the last ${base}`, { ...head, bias: base })] : []),
    ...published,
  ];
  const prices = await costs.of(
    simple.map(({ candidate }) => candidate),
    limits,
  );
  const fitting = simple.filter((_, i) => {
    const price = prices[i];
    return price !== undefined && fits(price, limits);
  });
  const full = await lastInFull(context);
  const all = [...fitting, ...full, ...found, ...(best ? await randoms(context, best) : [])];
  // A found scheme may equal a baseline; it then has the baseline's name.
  return [...new Map(all.toReversed().map(one => [keyOf(one.candidate), one])).values()].toReversed();
}

/** Accuracy and loss over seeds. */
export function estimates(records: readonly TrialRecord[]): { accuracy: Estimate; loss: Estimate } {
  return {
    accuracy: estimate(records.map(({ accuracy }) => accuracy)),
    loss: estimate(records.map(({ loss }) => loss)),
  };
}

/**
 * What can be relied on of an accuracy: its mean less the spread of single runs. A scheme that collapses with any seed has a spread that no other scheme's
 * mean has to fear.
 */
export function reliable({ mean, standardError, seeds }: Estimate): number {
  return mean - (standardError ?? 0) * Math.sqrt(seeds);
}

/** The best on held-back samples: by reliable accuracy, then by loss, then by bytes. Schemes with fewer seeds than others are ignored. */
export function winner(proved: readonly Proved[]): Proved | undefined {
  const seeds = Math.max(0, ...proved.map(({ accuracy }) => accuracy.validation.seeds));
  return proved
    .filter(({ accuracy }) => seeds > 0 && accuracy.validation.seeds === seeds)
    .sort(
      (a, b) =>
        reliable(b.accuracy.validation) - reliable(a.accuracy.validation) ||
        a.loss.validation.mean - b.loss.validation.mean ||
        a.sram - b.sram,
    )[0];
}
