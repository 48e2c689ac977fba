/** The mean loss, natural logarithm, of samples whose losses add up to `sum`, which has 16 fraction bits. */
export function meanLoss(sum: number, samples = 1): number {
  return sum / 65536 / samples;
}
