import type { Random } from '../../../random.js';
import { cos, sin } from '../angle.js';
import type { Point } from './shapes.js';

/** Three rows of three numbers. */
type Matrix = readonly (readonly [number, number, number])[];

/** A sensor and how it is worn. */
export interface Sensor {
  /** Moments in a second. */
  readonly rate: number;
  /** How it is turned against axes that point to the right, forwards and upwards: about its x, y and z axis one after another, in radians. */
  readonly turned: readonly [number, number, number];
  /** How much its turns vary from one wearing to the next, in radians. */
  readonly loose: number;
  /** How far the hand turns while it moves to the side of what it draws, in radians: a wrist turns less than fingers. */
  readonly swing: number;
  /** Standard deviations of the noise, in g and in degrees a second. */
  readonly noise: readonly [acceleration: number, rotation: number];
}

/** Columns of a recording: acceleration and rotation along x, y and z. */
export const columns = 6;

/** Steps of a raw sample: of an accelerometer of 4 g in a g, of a gyroscope of 500 degrees a second in a degree a second. */
const PER_G = 8192;
const PER_DEGREE = 65.5;
const GRAVITY = 9.81;
const DEGREES = 180 / Math.PI;

const times = (a: Matrix, b: Matrix): Matrix =>
  a.map(([p, q, r]) => {
    const at = (c: 0 | 1 | 2) => p * (b[0]?.[c] ?? 0) + q * (b[1]?.[c] ?? 0) + r * (b[2]?.[c] ?? 0);
    return [at(0), at(1), at(2)] as const;
  });

const apply = (m: Matrix, [x, y, z]: readonly [number, number, number]): number[] =>
  m.map(([p, q, r]) => p * x + q * y + r * z);

/** What a vector of the world is to somebody who is turned by these angles about x, then y, then z. */
function turnOf([x, y, z]: readonly [number, number, number]): Matrix {
  const [cx, sx, cy, sy, cz, sz] = [cos(x), sin(x), cos(y), sin(y), cos(z), sin(z)];
  const aboutX: Matrix = [
    [1, 0, 0],
    [0, cx, sx],
    [0, -sx, cx],
  ];
  const aboutY: Matrix = [
    [cy, 0, -sy],
    [0, 1, 0],
    [sy, 0, cy],
  ];
  const aboutZ: Matrix = [
    [cz, sz, 0],
    [-sz, cz, 0],
    [0, 0, 1],
  ];
  return times(aboutZ, times(aboutY, aboutX));
}

/** The place on a line of points after a share of its length. */
function walk(points: readonly Point[]): (share: number) => Point {
  const ends: number[] = [0];
  for (let i = 1; i < points.length; i++) {
    const [[x, y] = [0, 0], [px, py] = [0, 0]] = [points[i], points[i - 1]];
    ends.push((ends[i - 1] ?? 0) + Math.sqrt((x - px) * (x - px) + (y - py) * (y - py)));
  }
  const whole = ends.at(-1) ?? 0;
  return share => {
    const at = share * whole;
    let i = 1;
    while (i < points.length - 1 && (ends[i] ?? 0) < at) i++;
    const [[x, y] = [0, 0], [px, py] = [0, 0]] = [points[i], points[i - 1]];
    const [from, to] = [ends[i - 1] ?? 0, ends[i] ?? 0];
    const part = to > from ? Math.min(1, (at - from) / (to - from)) : 0;
    return [px + part * (x - px), py + part * (y - py)];
  };
}

/** One pass of the 1-2-1 kernel, in place; the ends are repeated. */
function soften(values: Float64Array): void {
  let before = values[0] ?? 0;
  for (let i = 0; i < values.length; i++) {
    const here = values[i] ?? 0;
    values[i] = (before + 2 * here + (values[i + 1] ?? here)) / 4;
    before = here;
  }
}

/** The hand's place at each moment, in metres to the right and upwards: at rest, through the points, at rest. */
function places(
  points: readonly Point[],
  rows: number,
  rate: number,
  r: Random,
): readonly [Float64Array, Float64Array] {
  const [x, y] = [new Float64Array(rows), new Float64Array(rows)];
  const length = Math.min(0.95 * rows, rate * r.range(0.9, 1.5));
  const first = r.range(0, rows - length);
  const size = r.range(0.09, 0.16);
  const [even, path] = [r.range(0.2, 0.7), walk(points)];
  for (let i = 0; i < rows; i++) {
    const u = Math.min(1, Math.max(0, (i - first) / length));
    // Half as evenly as a machine, half as smoothly as a hand that starts and stops.
    const share = even * u + (1 - even) * u * u * u * (10 + u * (6 * u - 15));
    const [px, py] = path(share);
    x[i] = size * px;
    y[i] = size * py;
  }
  // The hand rounds off what is sharper than about a tenth of a second.
  const passes = Math.round(((rate * rate) / 2500) * r.range(6, 12));
  for (let i = 0; i < passes; i++) {
    soften(x);
    soften(y);
  }
  return [x, y];
}

/** The nearest integer of 16 bits; 0 has no sign. */
const toInt16 = (value: number): number => Math.max(-32768, Math.min(32767, Math.round(value))) + 0;

/** What a sensor yields while the hand passes points: `rows` rows of six raw values. */
export function recorded(points: readonly Point[], rows: number, sensor: Sensor, r: Random): Float64Array {
  const { rate, turned, loose, swing, noise } = sensor;
  const [x, y] = places(points, rows, rate, r);
  const worn = turnOf([turned[0] + loose * r.normal(), turned[1] + loose * r.normal(), turned[2] + loose * r.normal()]);
  const [yaw, pitch, roll] = [swing * r.range(0.7, 1.3), swing * r.range(0.7, 1.3), 0.5 * swing * r.range(-1, 1)];
  const [held, drift] = [r.range(-0.15, 0.15), r.range(-0.1, 0.1)];
  const offsets = [0, 0, 0].map(() => 0.5 * r.normal());
  // A hand of about 0.15 m around the middle of what it draws.
  const angles = (i: number): readonly [number, number, number] => {
    const [px, py] = [(x[i] ?? 0) / 0.15, (y[i] ?? 0) / 0.15];
    return [held + pitch * py, roll * px + (drift * i) / rows, -yaw * px];
  };
  const values = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    const [before, after] = [Math.max(0, i - 1), Math.min(rows - 1, i + 1)];
    const second = (v: Float64Array) =>
      (((v[after] ?? 0) - 2 * (v[i] ?? 0) + (v[before] ?? 0)) * rate * rate) / GRAVITY;
    // To the right, forwards, upwards; a sensor at rest feels the ground pushing it upwards.
    const felt = apply(turnOf(angles(i)), [second(x), 0, 1 + second(y)]);
    const [[rx, ry, rz], [sx, sy, sz]] = [angles(after), angles(before)];
    const spun = [rx - sx, ry - sy, rz - sz].map(d => (d * rate * DEGREES) / Math.max(1, after - before));
    const acceleration = apply(worn, [felt[0] ?? 0, felt[1] ?? 0, felt[2] ?? 0]);
    const rotation = apply(worn, [spun[0] ?? 0, spun[1] ?? 0, spun[2] ?? 0]);
    for (let c = 0; c < 3; c++) {
      values[i * columns + c] = toInt16(PER_G * ((acceleration[c] ?? 0) + noise[0] * r.normal()));
      const turning = (rotation[c] ?? 0) + (offsets[c] ?? 0) + noise[1] * r.normal();
      values[i * columns + 3 + c] = toInt16(PER_DEGREE * turning);
    }
  }
  return values;
}
