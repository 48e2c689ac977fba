import { defaultResidualBits } from '../defaults.js';
import type { Random } from '../random.js';

/** Shares of a convolution's channels that a search tries. */
export const shares: readonly string[] = ['1/8', '1/4', '1/2', '1'];

/** A scheme as evolution sees it. */
export interface Candidate {
  /** Number of last convolutions whose biases are trained. */
  readonly bias: number;
  /** For each convolution: nothing (0), or the position of a share in `shares`, from 1. */
  readonly layers: readonly number[];
  readonly residualBits: number;
}

/** The scheme in canonical form. */
export function textOf({ bias, layers }: Pick<Candidate, 'bias' | 'layers'>): string {
  const weights = layers.flatMap((share, layer) => (share > 0 ? [`${layer}:${shares[share - 1]}`] : []));
  return weights.length === 0 && bias === 0 ? 'head' : [`bias:${bias}`, ...weights].join(',');
}

/** The candidate for a scheme in canonical form; undefined for shares that evolution does not use. */
export function candidateOf(scheme: string, count: number, residualBits: number): Candidate | undefined {
  const layers = new Array<number>(count).fill(0);
  let bias = 0;
  if (scheme === 'head') return { bias, layers, residualBits };
  for (const part of scheme.split(',')) {
    const [key = '', value = ''] = part.split(':');
    const share = shares.indexOf(value) + 1;
    if (key === 'bias') bias = Number(value);
    else if (share > 0) layers[Number(key)] = share;
    else return undefined;
  }
  return { bias, layers, residualBits };
}

/** A key that is equal only for equal candidates. Residual bits do not matter if no weight is trained. */
export function keyOf(candidate: Candidate): string {
  const bits = candidate.layers.some(share => share > 0) ? candidate.residualBits : defaultResidualBits;
  return `${textOf(candidate)}/${bits}`;
}

/** The number of genes in which two candidates differ. */
export function distance(a: Candidate, b: Candidate): number {
  const layers = a.layers.filter((share, i) => share !== b.layers[i]).length;
  return layers + Number(a.bias !== b.bias) + Number(a.residualBits !== b.residualBits);
}

/** The possible values of genes. */
export interface Genes {
  /** Numbers of biases, ascending; the first is 0. */
  readonly biases: readonly number[];
  /** For each convolution the worthwhile shares, as positions in `shares` from 1; ascending. */
  readonly layers: readonly (readonly number[])[];
  readonly bits: readonly number[];
}

/** Takes each gene from one of two parents. */
export function crossed(a: Candidate, b: Candidate, random: Random): Candidate {
  return {
    bias: random.chance(0.5) ? a.bias : b.bias,
    layers: a.layers.map((share, i) => (random.chance(0.5) ? share : (b.layers[i] ?? 0))),
    residualBits: random.chance(0.5) ? a.residualBits : b.residualBits,
  };
}

/** Draws one or two genes anew. */
export function mutated(candidate: Candidate, genes: Genes, random: Random): Candidate {
  const layers = [...candidate.layers];
  let { bias, residualBits } = candidate;
  const open = genes.layers.flatMap((known, layer) => (known.length > 0 ? [layer] : []));
  do {
    const what = random.range(0, 1);
    if (what < 0.2 || open.length === 0) bias = random.pick(genes.biases);
    else if (what < 0.3) residualBits = random.pick(genes.bits);
    else if (what < 0.5) swap(layers, open, random);
    else {
      const layer = random.pick(open);
      layers[layer] = random.pick([0, ...(genes.layers[layer] ?? [])]);
    }
  } while (random.chance(0.4));
  // A swap may have brought a share that is not worthwhile there.
  return { bias, residualBits, layers: layers.map((share, i) => nearest(share, genes.layers[i] ?? [])) };
}

function swap(layers: number[], open: readonly number[], random: Random): void {
  const [a, b] = [random.pick(open), random.pick(open)];
  [layers[a], layers[b]] = [layers[b] ?? 0, layers[a] ?? 0];
}

function nearest(share: number, known: readonly number[]): number {
  return share === 0 ? 0 : (known.findLast(other => other <= share) ?? known[0] ?? 0);
}

/** A step towards fewer bytes: a smaller share, one layer less, or fewer biases; undefined if nothing is left. */
export function lighter(candidate: Candidate, genes: Genes, random: Random): Candidate | undefined {
  const used = candidate.layers.flatMap((share, layer) => (share > 0 ? [layer] : []));
  const canBias = candidate.bias > 0;
  if (used.length === 0 && !canBias) return undefined;
  if (used.length === 0 || (canBias && random.chance(0.3))) {
    return { ...candidate, bias: genes.biases.findLast(bias => bias < candidate.bias) ?? 0 };
  }
  const layer = random.pick(used);
  const layers = [...candidate.layers];
  const share = layers[layer] ?? 0;
  layers[layer] = random.chance(0.5) ? 0 : ((genes.layers[layer] ?? []).findLast(other => other < share) ?? 0);
  return { ...candidate, layers };
}
