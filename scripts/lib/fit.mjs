// Costs of a kind of steps from measured ones.

/** Terms of a kernel's cost: the call, elements brought into order, elements yielded, products. */
export const TERMS = 4;

const SWEEPS = 10000;
/** A cost below this, in instructions, is the rounding of the fit. */
const NOTHING = 1e-9;

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

/**
 * Costs of at least 0 that fit best: least squares of relative errors, weighted by the fourth root of a step's instructions, one cost after the other; and
 * by which share of all instructions they are off.
 */
export function fitted(steps) {
  const rows = steps.map(({ terms, instructions }) => {
    const weight = 1 / Math.max(1, instructions) ** 0.75;
    return { x: terms.map(t => t * weight), y: instructions * weight };
  });
  const squares = Array.from({ length: TERMS }, (_, t) => rows.reduce((sum, { x }) => sum + x[t] ** 2, 0));
  const costs = new Array(TERMS).fill(0);
  const left = rows.map(({ y }) => y);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    // Products first: what several terms could explain alike is theirs.
    for (const t of [3, 2, 1, 0]) {
      if (squares[t] === 0) continue;
      const gain = rows.reduce((sum, { x }, i) => sum + x[t] * left[i], 0) / squares[t];
      const next = Math.max(0, costs[t] + gain);
      const change = next - costs[t];
      if (change === 0) continue;
      costs[t] = next;
      for (const [i, { x }] of rows.entries()) left[i] -= change * x[t];
    }
  }
  const terms = costs.map(cost => (cost < NOTHING ? 0 : Number(cost.toPrecision(4))));
  const all = steps.reduce((sum, { instructions }) => sum + instructions, 0);
  const error = steps.reduce((sum, step) => sum + Math.abs(dot(step.terms, terms) - step.instructions), 0);
  return { terms, off: error / all };
}
