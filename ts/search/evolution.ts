import { Random } from '../random.js';
import { type Candidate, crossed, distance, type Genes, keyOf, lighter, mutated, shares } from './candidate.js';
import { type CandidateCosts, type Cost, fits, type Limits } from './costs.js';
import { pooledVariance, shrunk } from './statistics.js';
import type { Contributions } from './types.js';

const POPULATION = 64;
const GENERATIONS = 60;
/** Ends when the best sum has not increased for this number of generations. */
const PATIENCE = 12;
const ELITE = 8;
const TOURNAMENT = 3;
/** Steps towards fewer bytes before a child is discarded. */
const REPAIRS = 8;

/** A candidate that fits. */
export interface Scored {
  readonly candidate: Candidate;
  /** Its key, from `keyOf`. */
  readonly key: string;
  readonly sram: number;
  readonly sum: number;
}

/** The use of an analysis in evolution: worthwhile genes, and the sum of contributions. */
export class Contribution {
  readonly genes: Genes;
  readonly #biases: readonly (readonly [number, number])[];
  readonly #layers: readonly (readonly number[])[];
  readonly #bits: ReadonlyMap<number, number>;
  readonly #count: number;

  constructor(contributions: Contributions, count: number, bits: readonly number[]) {
    const { criterion, biases, layers } = contributions;
    this.#count = count;
    this.#biases = [[0, 0], ...biases.map(({ bias, [criterion]: gain }) => [bias, gain.mean] as const)];
    const table = Array.from({ length: count }, () => new Array<number>(shares.length + 1).fill(0));
    // The paper sums accuracies as measured.
    const variance = criterion === 'accuracy' ? 0 : pooledVariance(layers.map(({ [criterion]: gain }) => gain));
    for (const { layer, share, [criterion]: gain } of layers) {
      const row = table[layer];
      if (row) row[shares.indexOf(share) + 1] = shrunk(gain, variance);
    }
    this.#layers = table;
    this.#bits = new Map(contributions.bits.map(({ residualBits, [criterion]: gain }) => [residualBits, gain.mean]));
    const deepest = Math.max(0, ...biases.map(({ bias }) => bias));
    this.genes = {
      biases: Array.from({ length: deepest + 1 }, (_, k) => k),
      // A share that adds no more than a smaller one only costs bytes.
      layers: table.map(row =>
        row.flatMap((gain, share) => (share > 0 && row.slice(0, share).every(less => gain > less) ? [share] : [])),
      ),
      bits,
    };
  }

  /** The gain of biases alone; interpolated between measured depths. */
  biases(k: number): number {
    let [below, above] = [this.#biases[0], this.#biases.at(-1)];
    for (const point of this.#biases) {
      if (point[0] <= k) below = point;
      if (point[0] >= k) {
        above = point;
        break;
      }
    }
    const [[k0, g0], [k1, g1]] = [below ?? [0, 0], above ?? [0, 0]];
    return k1 === k0 ? g0 : g0 + ((g1 - g0) * (k - k0)) / (k1 - k0);
  }

  /** The sum of contributions. */
  sum({ bias, layers, residualBits }: Candidate): number {
    const weights = layers.reduce((sum, share, layer) => sum + (this.#layers[layer]?.[share] ?? 0), 0);
    const bits = layers.some(share => share > 0) ? (this.#bits.get(residualBits) ?? 0) : 0;
    return this.biases(bias) + weights + bits;
  }

  /** The candidate that trains only the head. */
  head(residualBits: number): Candidate {
    return { bias: 0, layers: new Array<number>(this.#count).fill(0), residualBits };
  }
}

function better(a: Scored, b: Scored): number {
  return b.sum - a.sum || a.sram - b.sram || (a.key < b.key ? -1 : 1);
}

/** The inputs of evolution. */
export interface EvolutionContext {
  readonly costs: CandidateCosts;
  readonly limits: Limits;
  readonly seed: number;
  /** Called before each generation; true stops evolution. */
  readonly stopped: () => boolean;
  /** Called after each generation. */
  readonly progress: (generation: number, generations: number, best: Scored) => void;
}

/** Draws random candidates: first the biases, then each convolution with some probability. */
export function drawn(genes: Genes, count: number, random: Random): Candidate {
  const chance = random.range(0.05, 0.6);
  return {
    bias: random.pick(genes.biases),
    layers: Array.from({ length: count }, (_, layer) => {
      const known = genes.layers[layer] ?? [];
      return known.length > 0 && random.chance(chance) ? random.pick(known) : 0;
    }),
    residualBits: random.pick(genes.bits),
  };
}

/** Reduces candidates step by step until they fit; those that do not fit after a few steps are discarded. */
export async function repaired(
  candidates: readonly Candidate[],
  genes: Genes,
  costs: CandidateCosts,
  limits: Limits,
  random: Random,
  steps: number = REPAIRS,
): Promise<{ candidate: Candidate; cost: Cost }[]> {
  let open: readonly Candidate[] = candidates;
  const found: { candidate: Candidate; cost: Cost }[] = [];
  for (let step = 0; step <= steps && open.length > 0; step++) {
    const prices = await costs.of(open, limits);
    const heavy: Candidate[] = [];
    open.forEach((candidate, i) => {
      const cost = prices[i];
      if (cost && fits(cost, limits)) found.push({ candidate, cost });
      else heavy.push(candidate);
    });
    open = heavy.flatMap(candidate => lighter(candidate, genes, random) ?? []);
  }
  return found;
}

/** Maximises the sum of contributions under the limits. Returns every candidate that fits, best first. */
export async function evolve(contribution: Contribution, count: number, context: EvolutionContext): Promise<Scored[]> {
  const { costs, limits, seed, progress, stopped } = context;
  const { genes } = contribution;
  const random = new Random(seed, 0x65766f, limits.sram);
  const known = new Map<string, Scored>();
  const admit = async (candidates: readonly Candidate[]): Promise<Scored[]> => {
    const admitted: Scored[] = [];
    for (const { candidate, cost } of await repaired(candidates, genes, costs, limits, random)) {
      const key = keyOf(candidate);
      if (known.has(key)) continue;
      const scored = { candidate, key, sram: cost.sram, sum: contribution.sum(candidate) };
      known.set(key, scored);
      admitted.push(scored);
    }
    return admitted;
  };
  const bits = genes.bits.map(residualBits => contribution.head(residualBits));
  const alone = bits.flatMap(head => genes.biases.map(bias => ({ ...head, bias })));
  const first = [...alone, ...Array.from({ length: POPULATION * 2 }, () => drawn(genes, count, random))];
  let population: Scored[] = [];
  for (let from = 0; from < first.length && !(population.length > 0 && stopped()); from += POPULATION) {
    population.push(...(await admit(first.slice(from, from + POPULATION))));
  }
  population = population.sort(better).slice(0, POPULATION);
  let patience = PATIENCE;
  const select = (): Candidate | undefined =>
    Array.from({ length: TOURNAMENT }, () => random.pick(population)).sort(better)[0]?.candidate;
  for (let generation = 1; generation <= GENERATIONS && patience > 0 && population.length > 0; generation++) {
    if (stopped()) break;
    const before = population[0]?.sum ?? 0;
    const children = Array.from({ length: POPULATION }, () => {
      const [a, b] = [select(), select()];
      return a && b ? [mutated(crossed(a, b, random), genes, random)] : [];
    }).flat();
    const admitted = await admit(children);
    population = [...population.slice(0, ELITE), ...[...population.slice(ELITE), ...admitted].sort(better)]
      .sort(better)
      .slice(0, POPULATION);
    const [best] = population;
    if (!best) break;
    patience = best.sum > before ? PATIENCE : patience - 1;
    progress(generation, GENERATIONS, best);
  }
  return [...known.values()].sort(better);
}

/** The first few candidates that differ from each other in at least the given number of genes. */
export function distinct(scored: readonly Scored[], count: number, apart: number): Scored[] {
  const chosen: Scored[] = [];
  for (const next of scored) {
    if (chosen.length === count) break;
    if (chosen.every(({ candidate }) => distance(candidate, next.candidate) >= apart)) chosen.push(next);
  }
  return chosen;
}
