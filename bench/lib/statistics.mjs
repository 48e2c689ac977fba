/** Statistics of a list of numbers. */

export function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

export const median = values => quantile(values, 0.5);

export const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Median, quartiles, and the distance between the quartiles as a share of the median. */
export function summary(values) {
  const [q1, middle, q3] = [0.25, 0.5, 0.75].map(q => quantile(values, q));
  return { median: middle, q1, q3, spread: (q3 - q1) / middle, count: values.length };
}
