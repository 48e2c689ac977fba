import type { Estimate } from './types.js';

/** Mean and standard error. */
export function estimate(values: readonly number[]): Estimate {
  const n = values.length;
  const mean = n === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardError: n > 1 ? Math.sqrt(squares / (n - 1) / n) : null, seeds: n };
}

/** The pooled variance of single values, from several estimates whose values vary equally; 0 if none has two values. */
export function pooledVariance(estimates: readonly Estimate[]): number {
  let [squares, freedom] = [0, 0];
  for (const { standardError, seeds } of estimates) {
    if (standardError === null) continue;
    squares += standardError ** 2 * seeds * (seeds - 1);
    freedom += seeds - 1;
  }
  return freedom > 0 ? squares / freedom : 0;
}

/**
 * Shrinks a positive mean for noise: the positive-part estimator of James and Stein (1961) for one value, `mean (1 - v / (n mean^2))`, but not below
 * 0. Among many noisy gains, the largest tend to be those that noise has increased; a sum of the largest must correct for that.
 */
export function shrunk({ mean, seeds }: Estimate, variance: number): number {
  return mean > 0 ? mean * Math.max(0, 1 - variance / (seeds * mean ** 2)) : mean;
}

/** Ranks, starting at 1; equal values get the mean of their ranks. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((value, index) => ({ value, index })).sort((a, b) => a.value - b.value);
  const result = new Array<number>(values.length).fill(0);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && order[to]?.value === order[from]?.value) to++;
    for (const { index } of order.slice(from, to)) result[index] = (from + 1 + to) / 2;
    from = to;
  }
  return result;
}

/** Spearman's rank correlation; null if it is undefined. */
export function spearman(a: readonly number[], b: readonly number[]): number | null {
  const [ra, rb] = [ranks(a), ranks(b)];
  const middle = (a.length + 1) / 2;
  const dot = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, i) => sum + (value - middle) * ((y[i] ?? middle) - middle), 0);
  const scale = Math.sqrt(dot(ra, ra) * dot(rb, rb));
  return a.length < 3 || scale === 0 ? null : dot(ra, rb) / scale;
}
