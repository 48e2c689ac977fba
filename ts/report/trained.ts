import { defaultResidualBits } from '../defaults.js';
import { estimate } from '../search/statistics.js';
import type { Estimate, Finalist, Price, SearchResult, TrialRecord } from '../search/types.js';

/** A scheme that a search has trained, over its seeds: all runs that differ in nothing else. */
export interface TrainedScheme extends Pick<TrialRecord, 'scheme' | 'residualBits' | 'steps' | 'on'> {
  readonly accuracy: Estimate;
  readonly loss: Estimate;
  /** Name and kind of a finalist. */
  readonly name?: string | undefined;
  readonly kind?: Finalist['kind'] | undefined;
  /** What its Program takes, as far as the search knows. */
  readonly sram?: number | undefined;
  readonly instructions?: number | undefined;
  readonly milliseconds?: number | null | undefined;
}

/** What is known of a search, perhaps before its end. */
export interface SoFar {
  readonly plan: Pick<SearchResult['plan'], 'residualBits'>;
  readonly trials: readonly TrialRecord[];
  readonly contributions: Pick<SearchResult['contributions'], 'biases' | 'layers'>;
  readonly finalists: readonly Finalist[];
}

/** The training runs of a scheme that differ in nothing but their seed. */
function trainedOf({ trials }: SoFar): readonly (readonly TrialRecord[])[] {
  const groups = new Map<string, TrialRecord[]>();
  for (const trial of trials) {
    const { scheme, residualBits, steps, on } = trial;
    const key = JSON.stringify([scheme, residualBits, steps, on]);
    groups.set(key, [...(groups.get(key) ?? []), trial]);
  }
  return [...groups.values()];
}

/** What the schemes of an analysis take. */
function analysed({ contributions: { biases, layers } }: SoFar): ReadonlyMap<string, Price> {
  return new Map<string, Price>([
    ...biases.map(one => [`bias:${one.bias}`, one] as const),
    ...layers.map(one => [`bias:${one.biases},${one.layer}:${one.share}`, one] as const),
  ]);
}

/** Every scheme that a search has trained so far: one for each scheme, residual bits, number of steps and split on which it was measured. */
export function schemesSoFar(search: SoFar): TrainedScheme[] {
  const { finalists, plan } = search;
  const usualBits = plan.residualBits === 'any' ? defaultResidualBits : plan.residualBits;
  const prices = analysed(search);
  return trainedOf(search).flatMap(trials => {
    const [first] = trials;
    if (!first) return [];
    const { scheme, residualBits, steps, on } = first;
    const finalist = finalists.find(one => one.scheme === scheme && one.residualBits === residualBits);
    const price = finalist ?? (residualBits === usualBits ? prices.get(scheme) : undefined);
    const accuracy = estimate(trials.map(trial => trial.accuracy));
    const loss = estimate(trials.map(trial => trial.loss));
    const { name, kind } = finalist ?? {};
    const { sram, instructions, milliseconds } = price ?? {};
    return [{ ...{ scheme, residualBits, steps, on, accuracy, loss }, name, kind, sram, instructions, milliseconds }];
  });
}

/** Every scheme that a search has trained. */
export function trainedSchemes(result: SearchResult): TrainedScheme[] {
  return schemesSoFar({ ...result, finalists: [...result.front, ...result.baselines] });
}
