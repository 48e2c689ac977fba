/** An order that visits all samples with a fixed stride. */
export function strideOrder(count: number, n: number): number[] {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  let stride = Math.max(1, Math.round(count * 0.618));
  while (gcd(stride, count) !== 1) stride++;
  return Array.from({ length: n }, (_, i) => (i * stride) % count);
}
