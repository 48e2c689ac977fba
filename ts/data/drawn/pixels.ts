import type { Random } from '../../random.js';
import { cos, sin } from './angle.js';

/** Adds the effects of a camera in place: uneven light, surface grain, blur and noise. `rgb` is size x size x 3. */
export function photograph(rgb: Float32Array, size: number, r: Random): Uint8Array {
  light(rgb, size, r);
  if (r.chance(0.5)) grain(rgb, size, r);
  for (let passes = r.whole(0, 3) - 1; passes > 0; passes--) blur(rgb, size);
  const noise = r.chance(0.7) ? r.range(1, 8) : 0;
  const bytes = new Uint8ClampedArray(rgb.length);
  for (let i = 0; i < rgb.length; i++) bytes[i] = (rgb[i] ?? 0) + noise * r.normal();
  return new Uint8Array(bytes.buffer);
}

/** Brightness that falls off across the image, contrast, and a colour cast. */
function light(rgb: Float32Array, size: number, r: Random): void {
  const angle = r.range(0, 2 * Math.PI);
  const slope = r.range(0, 0.45);
  const [dx, dy] = [(slope * cos(angle)) / size, (slope * sin(angle)) / size];
  const contrast = r.range(0.65, 1.1);
  const cast = [r.range(0.85, 1.12), r.range(0.85, 1.12), r.range(0.85, 1.12)];
  const level = r.range(0.75, 1.15);
  for (let y = 0, i = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const gain = level * (1 + dx * (2 * x - size) + dy * (2 * y - size));
      for (let c = 0; c < 3; c++, i++) rgb[i] = (((rgb[i] ?? 0) - 127) * contrast + 127) * gain * (cast[c] ?? 1);
    }
  }
}

/** Multiplies by smooth noise of one or two octaves. */
function grain(rgb: Float32Array, size: number, r: Random): void {
  const strength = r.range(0.04, 0.16);
  const cells = r.pick([6, 10, 16, 24]);
  const lattice = Float32Array.from({ length: (cells + 1) * (cells + 1) }, () => r.range(-1, 1));
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const gain = 1 + strength * sample(lattice, cells, (x * cells) / size, (y * cells) / size);
      const i = (y * size + x) * 3;
      for (let c = i; c < i + 3; c++) rgb[c] = (rgb[c] ?? 0) * gain;
    }
  }
}

function sample(lattice: Float32Array, cells: number, x: number, y: number): number {
  const [col, row] = [Math.floor(x), Math.floor(y)];
  const [u, v] = [x - col, y - row];
  const at = row * (cells + 1) + col;
  const above = (lattice[at] ?? 0) * (1 - u) + (lattice[at + 1] ?? 0) * u;
  const below = (lattice[at + cells + 1] ?? 0) * (1 - u) + (lattice[at + cells + 2] ?? 0) * u;
  return above * (1 - v) + below * v;
}

/** One pass of the 1-2-1 kernel along rows and one along columns; the border is repeated. */
function blur(rgb: Float32Array, size: number): void {
  for (const [step, across] of [
    [3, size * 3],
    [size * 3, 3],
  ] as const) {
    for (let lane = 0; lane < size; lane++) {
      for (let c = 0; c < 3; c++) {
        let before = rgb[lane * across + c] ?? 0;
        for (let n = 0, i = lane * across + c; n < size; n++, i += step) {
          const here = rgb[i] ?? 0;
          const after = n + 1 < size ? (rgb[i + step] ?? 0) : here;
          rgb[i] = (before + 2 * here + after) / 4;
          before = here;
        }
      }
    }
  }
}
