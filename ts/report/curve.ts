import { percent } from '../format.js';
import type { CurvePoint } from '../train/types.js';

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
