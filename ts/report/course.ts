import { percent, table } from '../format.js';
import { escaped } from './html.js';
import { line, place, rect, text } from './svg.js';
import { ticksOf } from './ticks.js';

/** The accuracy on test images after some minutes of a board. */
export interface CoursePoint {
  readonly minute: number;
  /** Training steps done by then. */
  readonly step: number;
  /** Share of the test images that are classified correctly. */
  readonly accuracy: number;
  /** Mean loss on them, natural logarithm. */
  readonly loss: number;
}

/** A training run over minutes. */
export interface CourseCurve {
  readonly name: string;
  readonly points: readonly CoursePoint[];
}

/** The course of a run as a table, a row a minute. */
export function courseTable(points: readonly CoursePoint[]): string {
  const rows = points.map(({ minute, step, accuracy, loss }) => [
    minute === 0 ? 'before' : `${minute}`,
    step,
    percent(accuracy),
    loss.toFixed(3),
  ]);
  return table([['minute', 'steps', 'accuracy', 'loss'], ...rows]);
}

const WIDTH = 520;
const HEIGHT = 240;
const LEFT = 56;
const TOP = 30;
const BOTTOM = 44;
/** Height of an entry of the legend, below the axis. */
const ENTRY = 16;
const COLORS = ['#084594', '#b30000', '#238b45', '#6a51a3'] as const;
/** Accuracies are shown from a multiple of this. */
const FLOOR = 0.1;

/** The courses of runs as SVG: accuracy over the minutes of a board. */
export function courseFigure(title: string, curves: readonly CourseCurve[]): string {
  const points = curves.flatMap(curve => curve.points);
  const last = Math.max(1, ...points.map(({ minute }) => minute));
  const least = Math.min(1 - FLOOR, ...points.map(({ accuracy }) => accuracy));
  const low = Math.max(0, Math.floor(least / FLOOR + 1e-9) * FLOOR);
  const right = WIDTH - 16;
  const x = (minute: number) => LEFT + (minute / last) * (right - LEFT);
  const y = (accuracy: number) => TOP + ((1 - accuracy) / (1 - low)) * HEIGHT;
  const marks = ticksOf(100 * low, 100, 6).values;
  const minutes = ticksOf(0, last, 10).values.filter(Number.isInteger);
  const label = `translate(${place(LEFT - 42)} ${place(TOP + HEIGHT / 2)}) rotate(-90)`;
  const drawn = curves.flatMap(({ name, points: own }, i) => {
    const color = COLORS[i % COLORS.length] ?? COLORS[0];
    const at = own.map(point => [x(point.minute), y(point.accuracy)] as const);
    const below = TOP + HEIGHT + BOTTOM + i * ENTRY;
    const ends = [own[0], own.at(-1)].flatMap(point => (point ? [percent(point.accuracy)] : []));
    return [
      `<polyline class="curve" points="${at.map(([a, b]) => `${place(a)},${place(b)}`).join(' ')}" fill="none" stroke="${color}" stroke-width="1.5"/>`,
      ...at.map(([a, b]) => `<circle class="point" cx="${place(a)}" cy="${place(b)}" r="3" fill="${color}"/>`),
      rect(LEFT, below, 10, 10, 'key', color),
      text(LEFT + 16, below + 9, `${escaped(name)}: ${ends.join(' to ')}`, 'start'),
    ];
  });
  const height = TOP + HEIGHT + BOTTOM + curves.length * ENTRY + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="course" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect class="paper" width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(LEFT, 16, escaped(title), 'start', ' font-weight="bold"'),
    `<text transform="${label}" text-anchor="middle">test images classified correctly, %</text>`,
    ...marks.map(mark => line(LEFT, y(mark / 100), right, y(mark / 100), 'grid', '#ddd')),
    ...marks.map(mark => text(LEFT - 5, y(mark / 100) + 4, String(mark), 'end')),
    line(LEFT, TOP + HEIGHT, right, TOP + HEIGHT, 'axis', '#444'),
    ...minutes.map(minute => text(x(minute), TOP + HEIGHT + 15, String(minute))),
    text((LEFT + right) / 2, TOP + HEIGHT + 32, 'minutes of training on the board'),
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}
