import type { View } from '../data/images/input.js';
import { thousands } from '../format.js';
import type { Program } from '../program/program.js';

/** Bytes of a `tt_camera` beside the sums of a row (`tt_camera.c` asserts it), of a pixel of a frame, and of what `app/product.c` remembers of its line. */
const CAMERA = 28;
const PIXEL = 2;
const HEARD = 12;
const up = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

/**
 * Bytes of SRAM of a firmware with the application `app/product.c` in place of the one that is planned: the context, the store, a `tt_camera` and a row of a frame,
 * without the protocol; the stack is the same, since the protocol's calls are deeper.
 */
export function productSram(
  { memory, input, record }: Pick<Program, 'memory' | 'input' | 'record'>,
  view: View | undefined,
): number {
  const store = memory.items.find(({ name, region }) => name === 'store' && region === 'sram')?.bytes ?? 0;
  const camera = CAMERA + 4 * input.width * input.channels;
  const row = up(PIXEL * (view?.width ?? input.width), 4);
  return up(record.contextBytes + store + camera + row + HEARD, 8) + memory.stack;
}

/** What `compile` says of it. */
export function productLine(program: Program, view: View | undefined, out: string): string {
  return `app      make -C ${out} APP=product: sees, learns and remembers by itself; ${thousands(productSram(program, view))} B of SRAM`;
}
