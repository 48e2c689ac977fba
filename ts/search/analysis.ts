import { defaultResidualBits } from '../defaults.js';
import { type Candidate, keyOf, shares, textOf } from './candidate.js';
import { type CandidateCosts, type Cost, fits, type Limits, same, unlimited } from './costs.js';
import { estimate } from './statistics.js';
import type { Trials } from './trials.js';
import type {
  BiasContribution,
  BitsContribution,
  Contributions,
  Criterion,
  Gain,
  LayerContribution,
  Price,
  TrialKey,
  TrialRecord,
} from './types.js';

/** Number of bias depths that are tried first; those next to the best follow. */
const BIAS_GRID = 8;
/** Number of best depths that get a further seed. */
const BIAS_FINALISTS = 3;
/**
 * Seeds per round. With a single one, the noise of the run without the convolution would be part of every gain, and a sum of gains would contain it
 * many times.
 */
const SEEDS = 2;
/** Seeds of the comparison of residual bits. */
const BITS_SEEDS = 3;
/** Approximate number of training runs for the depths of biases, including the head. */
const LADDER_RUNS = 3 + 2 * BIAS_GRID + 4 + BIAS_FINALISTS;

/** The inputs of an analysis. */
export interface AnalysisContext {
  readonly trials: Trials;
  readonly costs: CandidateCosts;
  /** Number of convolutions of the backbone. */
  readonly count: number;
  readonly limits: Limits;
  readonly criterion: Criterion;
  readonly seed: number;
  readonly trialSteps: number;
  /** Called with the expected total number of training runs of the analysis. */
  readonly expect: (runs: number) => void;
  /** Called with the contributions so far, after each round of training runs. */
  readonly found: (contributions: Contributions) => void;
  /** Called with the progress of the analysis, in training runs. */
  readonly progress: (what: string, done: number, total: number) => void;
}

/** A candidate with the cost of its Program. */
interface Priced {
  readonly candidate: Candidate;
  readonly price: Price;
}

const priceOf = ({ sram, instructions, milliseconds }: Cost): Price => ({
  ...{ sram, instructions },
  milliseconds: Number.isFinite(milliseconds) ? milliseconds : null,
});

const biasesAlone = (bias: number, count: number): Candidate => ({
  bias,
  layers: new Array<number>(count).fill(0),
  residualBits: defaultResidualBits,
});

function withLayer(base: Candidate, layer: number, share: number): Candidate {
  const layers = [...base.layers];
  layers[layer] = share;
  return { ...base, layers };
}

/** The gain of one candidate over another, paired by seed, over the seeds for which both results are known. */
function gainOf(records: readonly (TrialRecord | undefined)[], before: readonly (TrialRecord | undefined)[]): Gain {
  const pairs = records.flatMap(record => {
    const other = record && before.find(b => b?.seed === record.seed);
    return record && other ? [{ record, other }] : [];
  });
  return {
    loss: estimate(pairs.map(({ record, other }) => other.loss - record.loss)),
    accuracy: estimate(pairs.map(({ record, other }) => record.accuracy - other.accuracy)),
  };
}

/** Runs candidates with several seeds each, and stores the results so far. */
class Measurements {
  readonly #context: AnalysisContext;
  readonly #found = new Map<string, TrialRecord[]>();

  constructor(context: AnalysisContext) {
    this.#context = context;
  }

  /** Trains each candidate with these seeds, relative to the seed of the search. */
  async run(what: string, candidates: readonly Candidate[], seeds: readonly number[]): Promise<void> {
    const { trials, trialSteps, seed, progress } = this.#context;
    const keys = candidates.flatMap(candidate =>
      seeds.map(
        (further): TrialKey => ({
          scheme: textOf(candidate),
          residualBits: candidate.residualBits,
          seed: seed + further,
          steps: trialSteps,
          on: 'validation',
        }),
      ),
    );
    const records = await trials.run('analysis', keys, (done, total) => progress(what, done, total));
    candidates.forEach((candidate, i) => {
      const own = records.slice(i * seeds.length, (i + 1) * seeds.length).filter(record => record !== undefined);
      const known = this.of(candidate).filter(record => !own.some(({ seed }) => seed === record.seed));
      this.#found.set(keyOf(candidate), [...known, ...own]);
    });
  }

  of(candidate: Candidate): readonly TrialRecord[] {
    return this.#found.get(keyOf(candidate)) ?? [];
  }

  gain(candidate: Candidate, before: Candidate): Gain {
    return gainOf(this.of(candidate), this.of(before));
  }
}

/** The first `count` non-negative integers. */
const first = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Numbers of biases from `from` to `to`, in the given number of steps. */
function grid(from: number, to: number, points: number): number[] {
  const step = Math.max(1, (to - from) / points);
  const found = new Set<number>();
  for (let k = to; k >= Math.max(1, from); k -= step) found.add(Math.round(k));
  return [...found].sort((a, b) => a - b);
}

async function affordable(context: AnalysisContext, candidates: readonly Candidate[]): Promise<Priced[]> {
  const costs = await context.costs.of(candidates, context.limits);
  return candidates.flatMap((candidate, i) => {
    const cost = costs[i];
    return cost && fits(cost, context.limits) ? [{ candidate, price: priceOf(cost) }] : [];
  });
}

/** What biases contribute, and the best number of them. */
interface BiasLadder {
  readonly biases: BiasContribution[];
  readonly base: Candidate;
}

/** Biases of the last k: a coarse grid, then the depths next to the best one, then a further seed for the best few. */
async function biasLadder(context: AnalysisContext, measured: Measurements): Promise<BiasLadder> {
  const { count, criterion } = context;
  const head = biasesAlone(0, count);
  const all = await affordable(
    context,
    first(count + 1).map(k => biasesAlone(k, count)),
  );
  const deepest = Math.max(0, ...all.map(({ candidate }) => candidate.bias));
  const gain = (k: number) => measured.gain(biasesAlone(k, count), head)[criterion];
  const asked = new Set<number>(grid(1, deepest, BIAS_GRID));
  const best = () => [...asked].filter(k => gain(k).seeds > 0).sort((a, b) => gain(b).mean - gain(a).mean || a - b);
  const biases = () =>
    [...asked]
      .sort((a, b) => a - b)
      .flatMap(k => {
        const price = all.find(({ candidate }) => candidate.bias === k)?.price;
        const found = measured.gain(biasesAlone(k, count), head);
        return !price || found.loss.seeds === 0 ? [] : [{ bias: k, ...price, ...found }];
      });
  const run = async (list: Iterable<number>, which: readonly number[]): Promise<void> => {
    await measured.run('biases of the last k', [head, ...Array.from(list, k => biasesAlone(k, count))], which);
    const [base = 0] = best();
    context.found(contributionsOf(context, measured, { biases: biases(), base: biasesAlone(base, count) }, []));
  };
  // Everything is compared with the head, for every seed.
  await run([], first(SEEDS + 1));
  await run(asked, first(SEEDS));
  const [top = 0] = best();
  const sorted = [...asked].sort((a, b) => a - b);
  const at = sorted.indexOf(top);
  const near = [sorted[at - 1] ?? 0, sorted[at + 1] ?? top].map(other => Math.round((other + top) / 2));
  const further = near.filter(k => k > 0 && !asked.has(k));
  for (const k of further) asked.add(k);
  await run(further, first(SEEDS));
  await run(best().slice(0, BIAS_FINALISTS), [SEEDS]);
  // More seeds give a better estimate, but only those that all of the best have in common give a fair comparison.
  const finalist = best()
    .slice(0, BIAS_FINALISTS)
    .find(k => gain(k).mean > 0);
  return { biases: biases(), base: biasesAlone(finalist ?? 0, count) };
}

/** The better half: alternately the one with the largest gain and the one with the largest gain per byte. */
function betterHalf<T extends Priced>(entries: readonly T[], gain: (p: T) => number, bytes: (p: T) => number): T[] {
  // Each gain is computed once: computing them in pairwise comparisons would block the thread.
  const known = entries.map(entry => ({ entry, key: keyOf(entry.candidate), gain: gain(entry), bytes: bytes(entry) }));
  type Known = (typeof known)[number];
  const order = (value: (one: Known) => number) =>
    [...known].sort((a, b) => value(b) - value(a) || (a.key < b.key ? -1 : 1)).map(({ entry }) => entry);
  const lists = [order(one => one.gain), order(one => one.gain / Math.max(1, one.bytes))];
  const chosen = new Set<T>();
  for (let i = 0; chosen.size < Math.ceil(entries.length / 2); i++) {
    const [list, place] = [lists[i % lists.length] ?? [], Math.floor(i / lists.length)];
    const next = list[place];
    if (next) chosen.add(next);
  }
  return entries.filter(entry => chosen.has(entry));
}

/** A convolution with a share of its channels, on top of biases. */
interface Entry extends Priced {
  readonly layer: number;
  /** Position in `shares`, from 1. */
  readonly share: number;
  /** Biases alone, as many as the candidate has: what it is compared with. */
  readonly under: Priced;
}

/** Approximate number of training runs for single convolutions: each in full, the shares of half of them, half of those again; and biases alone. */
function layerRuns(layers: number): number {
  const kept = Math.ceil(layers / 2);
  const further = kept * (shares.length - 1) + Math.ceil((kept * shares.length) / 2);
  return SEEDS * (layers + further + BIAS_GRID);
}

/**
 * The biases on top of which a convolution is measured: of the convolutions from it on, so that everything before it stays as it is and is computed once.
 * Rounded up to a measured depth, and no more than the best one.
 */
function depthUnder(layer: number, count: number, depths: readonly number[], best: number): number {
  return Math.min(best, depths.find(k => k >= count - layer) ?? best);
}

/** Every share of every convolution that may be part of a result. */
async function entriesOf(context: AnalysisContext, depths: readonly number[], best: number): Promise<Entry[]> {
  const { count, costs, limits } = context;
  const all = first(count).flatMap(layer => shares.map((_, i) => ({ layer, share: i + 1 })));
  const alone = await costs.of(
    all.map(({ layer, share }) => withLayer(biasesAlone(0, count), layer, share)),
    limits,
  );
  // A convolution that fits without biases may be part of the result; one that does not is never needed. A share that costs as much as a smaller one
  // trains the same channels.
  const possible = all.filter((_, i) => {
    const [cost, smaller] = [alone[i], i % shares.length === 0 ? undefined : alone[i - 1]];
    return cost && fits(cost, limits) && !(smaller && same(cost, smaller));
  });
  const under = possible.map(({ layer }) => biasesAlone(depthUnder(layer, count, depths, best), count));
  const candidates = possible.map(({ layer, share }, i) => withLayer(under[i] ?? biasesAlone(0, count), layer, share));
  const prices = await costs.of([...under, ...candidates], unlimited);
  const priced = [...under, ...candidates].map((candidate, i) => ({
    candidate,
    price: priceOf(prices[i] ?? unlimited),
  }));
  return possible.flatMap((one, i) => {
    const [below, own] = [priced[i], priced[possible.length + i]];
    return below && own ? [{ ...one, ...own, under: below }] : [];
  });
}

/** Each convolution with each share on top of biases, by successive halving: all with their largest share, then all shares of the better half. */
async function layerGains(
  context: AnalysisContext,
  measured: Measurements,
  ladder: BiasLadder,
): Promise<LayerContribution[]> {
  const { criterion } = context;
  const depths = ladder.biases.map(({ bias }) => bias);
  const entries = await entriesOf(context, depths, ladder.base.bias);
  const gainOf = ({ candidate, under }: Entry) => measured.gain(candidate, under.candidate);
  const gains = () =>
    entries.flatMap((entry): LayerContribution[] => {
      const found = gainOf(entry);
      const share = shares[entry.share - 1];
      if (share === undefined || found.loss.seeds === 0) return [];
      return [{ layer: entry.layer, share, biases: entry.candidate.bias, ...entry.price, ...found }];
    });
  const round = async (which: number, some: readonly Entry[], seeds: readonly number[]): Promise<Entry[]> => {
    const candidates = [...some.map(({ under }) => under.candidate), ...some.map(({ candidate }) => candidate)];
    const distinct = [...new Map(candidates.map(candidate => [keyOf(candidate), candidate])).values()];
    await measured.run(`single convolutions, round ${which} of 3`, distinct, seeds);
    context.found(contributionsOf(context, measured, ladder, gains()));
    return betterHalf(
      some,
      one => gainOf(one)[criterion].mean,
      ({ price, under }) => price.sram - under.price.sram,
    );
  };
  const [early, late] = [first(SEEDS), first(SEEDS).map(seed => SEEDS + seed)];
  const largest = entries.filter(({ layer }, i) => entries[i + 1]?.layer !== layer);
  context.expect(LADDER_RUNS + layerRuns(largest.length));
  const kept = new Set((await round(1, largest, early)).map(({ layer }) => layer));
  const better = await round(
    2,
    entries.filter(({ layer }) => kept.has(layer)),
    early,
  );
  await round(3, better, late);
  return gains();
}

function contributionsOf(
  { criterion, count }: AnalysisContext,
  measured: Measurements,
  { biases, base }: BiasLadder,
  layers: readonly LayerContribution[],
): Contributions {
  const head = measured.of(biasesAlone(0, count));
  const accuracy = estimate(head.map(one => one.accuracy));
  const loss = estimate(head.map(one => one.loss));
  return { criterion, head: { accuracy, loss }, biases, base: base.bias, layers, bits: [] };
}

/** Contribution analysis: the head, biases of the last k, single convolutions on top of biases. */
export async function analyse(context: AnalysisContext): Promise<Contributions> {
  context.expect(LADDER_RUNS + layerRuns(context.count));
  const measured = new Measurements(context);
  const ladder = await biasLadder(context, measured);
  const layers = await layerGains(context, measured, ladder);
  return contributionsOf(context, measured, ladder, layers);
}

/** The gain of other numbers of residual bits over that of the analysis, for one scheme. */
export async function bitsGains(
  context: AnalysisContext,
  scheme: Candidate,
  others: readonly number[],
): Promise<BitsContribution[]> {
  const measured = new Measurements(context);
  const usual = { ...scheme, residualBits: defaultResidualBits };
  const candidates = others.map(residualBits => ({ ...scheme, residualBits }));
  await measured.run('residual bits', [usual, ...candidates], first(BITS_SEEDS));
  return candidates.map(candidate => ({ residualBits: candidate.residualBits, ...measured.gain(candidate, usual) }));
}
