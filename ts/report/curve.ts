import { percent } from '../format.js';
import type { CurvePoint, HeldOutPoint, RunResult } from '../train/types.js';

const ROWS = 8;
const EIGHTHS = ' ▁▂▃▄▅▆▇█';

/** The learning curve: one column per point; its height is the share of samples classified correctly before their update. */
export function learningCurve(points: readonly CurvePoint[]): string {
  const last = points.at(-1);
  if (!last) return '';
  const lines: string[] = [];
  for (let row = ROWS - 1; row >= 0; row--) {
    const cells = points.map(
      ({ accuracy }) => EIGHTHS[Math.round(Math.min(1, Math.max(0, accuracy * ROWS - row)) * 8)],
    );
    const label = row === ROWS - 1 ? '100 %' : row === 0 ? '0 %' : '';
    lines.push(`${label.padStart(7)} ${cells.join('')}`);
  }
  const [first] = points;
  const loss = `loss ${first?.loss.toFixed(3)} -> ${last.loss.toFixed(3)}`;
  return [
    'classified correctly before the update',
    ...lines,
    `${' '.repeat(8)}step ${last.step}: ${percent(last.accuracy)}, ${loss}`,
  ].join('\n');
}

/** What is known of a run at a step: the point of its curve that ends there, and the look at held-out samples after it. */
export interface CurveRow {
  readonly step: number;
  readonly point: CurvePoint | undefined;
  readonly look: HeldOutPoint | undefined;
}

/** Every step at which something is known of a run, ascending. */
export function curveRows({ curve, heldOut }: Pick<RunResult, 'curve' | 'heldOut'>): CurveRow[] {
  const steps = [...new Set([...curve, ...heldOut.points].map(({ step }) => step))].sort((a, b) => a - b);
  return steps.map(step => ({
    step,
    point: curve.find(one => one.step === step),
    look: heldOut.points.find(one => one.step === step),
  }));
}
