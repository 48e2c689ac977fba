/** Marks of an axis from `low` to `high`: multiples of 1, 2 or 5 times a power of ten, about `count` of them, with just as many digits as tell them apart. */
export function ticksOf(
  low: number,
  high: number,
  count: number,
): { readonly values: number[]; readonly digits: number } {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 5, 10].find(one => one * power >= rough * (1 - 1e-9)) ?? 10;
  const step = unit * power;
  const [from, to] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return { values: Array.from({ length: to - from + 1 }, (_, i) => (from + i) * step), digits };
}
