import type { View } from '../data/images/input.js';
import { thousands } from '../format.js';
import type { Program } from '../program/program.js';

/** Bytes of a `tt_camera` beside the sums of a row, of a pixel of a frame, and of what `app/product.c` remembers of its line. */
const CAMERA = 28;
const PIXEL = 2;
const HEARD = 12;
/** What is no part of the context. */
const BESIDE: readonly string[] = ['protocol', 'store', 'alignment', 'stack'];

const up = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

/**
 * Bytes of SRAM of a firmware with the application `app/product.c` in place of the one that is planned: the context, the store, a `tt_camera` and a row of a frame,
 * without the protocol; the stack is the same, since the protocol's calls are deeper.
 */
export function productSram({ memory, input }: Pick<Program, 'memory' | 'input'>, view: View | undefined): number {
  const items = memory.items.filter(({ region }) => region === 'sram');
  const sum = (chosen: typeof items) => chosen.reduce((total, { bytes }) => total + bytes, 0);
  const context = up(sum(items.filter(({ name }) => !BESIDE.includes(name))), 8);
  const store = sum(items.filter(({ name }) => name === 'store'));
  const camera = CAMERA + 4 * input.width * input.channels;
  const row = up(PIXEL * (view?.width ?? input.width), 4);
  return up(context + store + camera + row + HEARD, 8) + memory.stack;
}

/** What `compile` says of it. */
export function productLine(program: Program, view: View | undefined, out: string): string {
  return `app      make -C ${out} APP=product: sees, learns and remembers by itself; ${thousands(productSram(program, view))} B of SRAM`;
}
