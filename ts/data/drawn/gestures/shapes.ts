import type { Random } from '../../../random.js';
import { cos, sin } from '../angle.js';

export type Point = readonly [x: number, y: number];

/** What the hand draws into the air: points in a box of -1 to 1, x to the right and y upwards, passed one after another. */
export interface Shape {
  readonly name: string;
  readonly points: (r: Random) => readonly Point[];
  /** Whether it is begun anywhere and drawn in either direction, as nobody says how. */
  readonly free?: boolean;
}

const TURN = 2 * Math.PI;

/** Points of a curve, at `count` steps from 0 to 1. */
const curve = (count: number, at: (u: number) => Point): Point[] =>
  Array.from({ length: count + 1 }, (_, i) => at(i / count));

const round = (turn: number, radius = 1): Point => [radius * cos(TURN * turn), radius * sin(TURN * turn)];

/** The corners of a regular polygon, in steps of `step` corners; the first one is at the top, and is the last one too. */
const corners = (count: number, step = 1): Point[] =>
  Array.from({ length: count + 1 }, (_, i) => round(0.25 - (i * step) / count));

/** Back and forth between points. */
const swings = (r: Random, from: number, to: number, at: (i: number) => Point): Point[] =>
  Array.from({ length: r.whole(from, to) + 1 }, (_, i) => at(i));

/** The gestures of the data set. */
export const gestures: readonly Shape[] = [
  { name: 'circle', points: () => curve(24, u => round(u)), free: true },
  {
    name: 'cross',
    points: () => [
      [-0.8, 0.8],
      [0.8, -0.8],
      [0.8, 0.8],
      [-0.8, -0.8],
    ],
  },
  { name: 'eight', points: () => curve(32, u => [sin(2 * TURN * u) / 1.4, cos(TURN * u)]), free: true },
  {
    name: 'hook',
    points: () => [
      [0.4, 1],
      [0.4, -0.5],
      [0, -0.95],
      [-0.5, -0.7],
      [-0.6, -0.2],
    ],
  },
  { name: 'spiral', points: () => curve(36, u => round(2.2 * u, 0.15 + 0.85 * u)) },
  { name: 'square', points: () => corners(4).map(([x, y]): Point => [x + y, y - x]), free: true },
  { name: 'star', points: () => corners(5, 2), free: true },
  {
    name: 'tick',
    points: () => [
      [-0.9, 0.1],
      [-0.3, -0.9],
      [0.9, 0.9],
    ],
  },
  { name: 'triangle', points: () => corners(3), free: true },
  { name: 'zigzag', points: r => swings(r, 4, 6, i => [i % 2 === 0 ? -0.9 : 0.9, 0.8 - 0.32 * i]) },
];

/** The gestures that the embedded network was trained on: digits, drawn as they are written. */
export const digits: readonly Shape[] = [
  { name: '0', points: () => curve(24, u => [-0.7 * sin(TURN * u), cos(TURN * u)]) },
  {
    name: '1',
    points: () => [
      [-0.4, 0.5],
      [0.1, 1],
      [0.1, -1],
    ],
  },
  {
    name: '2',
    points: () => [
      [-0.6, 0.5],
      [-0.2, 1],
      [0.5, 0.8],
      [0.5, 0.2],
      [-0.6, -1],
      [0.7, -1],
    ],
  },
  {
    name: '3',
    points: () => [
      [-0.6, 0.8],
      [0.3, 1],
      [0.5, 0.5],
      [-0.1, 0.1],
      [0.6, -0.4],
      [0.3, -1],
      [-0.6, -0.8],
    ],
  },
  {
    name: '4',
    points: () => [
      [0.2, 1],
      [-0.7, -0.3],
      [0.7, -0.3],
      [0.4, 0.3],
      [0.4, -1],
    ],
  },
  {
    name: '5',
    points: () => [
      [0.6, 1],
      [-0.5, 1],
      [-0.5, 0.2],
      [0.3, 0.2],
      [0.6, -0.4],
      [0.2, -1],
      [-0.6, -0.8],
    ],
  },
  {
    name: '6',
    points: () => [
      [0.5, 1],
      [-0.4, 0.3],
      [-0.6, -0.5],
      [0, -1],
      [0.6, -0.5],
      [0, 0],
      [-0.6, -0.4],
    ],
  },
  {
    name: '7',
    points: () => [
      [-0.6, 1],
      [0.6, 1],
      [-0.2, -1],
    ],
  },
  { name: '8', points: () => curve(32, u => [-0.55 * sin(2 * TURN * u), cos(TURN * u)]) },
  {
    name: '9',
    points: () => [
      [0.6, 0.6],
      [0, 1],
      [-0.6, 0.5],
      [0, 0],
      [0.6, 0.6],
      [0.5, -0.3],
      [0.2, -1],
    ],
  },
];

/** The points of a shape as somebody draws it: begun anywhere where it is free to be, leaning, not quite in proportion, no corner quite in its place. */
export function drawn(shape: Shape, r: Random): readonly Point[] {
  let points = shape.points(r);
  if (shape.free) {
    const ring = points.slice(1);
    const first = r.whole(0, ring.length - 1);
    points = [...ring.slice(first), ...ring.slice(0, first + 1)];
    if (r.chance(0.5)) points = [...points].reverse();
  }
  const [lean, wide, tall] = [r.range(-0.25, 0.25), r.range(0.8, 1.2), r.range(0.8, 1.2)];
  const [c, s] = [cos(lean), sin(lean)];
  // The points of a curve are close to one another.
  const shaky = points.length > 12 ? 0.02 : 0.08;
  return points.map(([x, y]): Point => {
    const [px, py] = [wide * x + shaky * r.normal(), tall * y + shaky * r.normal()];
    return [c * px - s * py, s * px + c * py];
  });
}
