import type { View } from '../data/images/input.js';
import { type RawSeries, rawBytes } from '../data/series/front.js';
import { thousands } from '../format.js';
import type { MemoryTable } from '../program/memory.js';
import type { Program } from '../program/program.js';

/** Bytes of a `tt_camera` beside the sums of a row (`tt_camera.c` asserts it), of a pixel of a frame, and of what `app/product.c` remembers of its line. */
const CAMERA = 28;
const PIXEL = 2;
const HEARD = 12;
/** Bytes that `app/sensor.c` remembers of its line and its clock. */
const LISTENED = 20;
const up = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

/** Bytes of SRAM of the store. */
function storeBytes({ items }: MemoryTable): number {
  return items.find(({ name, region }) => name === 'store' && region === 'sram')?.bytes ?? 0;
}

/**
 * Bytes of SRAM of a firmware with the application `app/product.c` in place of the one that is planned: the context, the store, a `tt_camera` and a row of a frame,
 * without the protocol; the stack is the same, since the protocol's calls are deeper.
 */
export function productSram(
  { memory, input, record }: Pick<Program, 'memory' | 'input' | 'record'>,
  view: View | undefined,
): number {
  const store = storeBytes(memory);
  const camera = CAMERA + 4 * input.width * input.channels;
  const row = up(PIXEL * (view?.width ?? input.width), 4);
  return up(record.contextBytes + store + camera + row + HEARD, 8) + memory.stack;
}

/** What `compile` says of it. */
export function productLine(program: Program, view: View | undefined, out: string): string {
  return `app      make -C ${out} APP=product: sees, learns and remembers by itself; ${thousands(productSram(program, view))} B of SRAM`;
}

/** What raw values take in a firmware with the application `app/sensor.c`. */
export interface SensorMemory {
  /** Bytes of SRAM of the whole, with the stack. */
  readonly sram: number;
  /** Of the ring of a window, and of the front end of a sound, in SRAM; of their tables in flash. */
  readonly ring: number;
  readonly front: number;
  readonly tables: number;
}

/**
 * What `app/sensor.c` takes in place of the application that is planned: the context, the store, a `tt_series`, with a front end a `tt_mel`, and a row, without the
 * protocol; the stack is the same, since the protocol's calls are deeper.
 */
export function sensorMemory({ memory, record }: Pick<Program, 'memory' | 'record'>, series: RawSeries): SensorMemory {
  const bytes = rawBytes(series, record.input.bytes);
  const row = up((2 * record.input.bytes) / series.window, 4);
  const known = record.contextBytes + storeBytes(memory) + bytes.ring + bytes.front + row + LISTENED;
  return { sram: up(known, 8) + memory.stack, ...bytes };
}

/** What `compile` says of it. */
export function sensorLines({ sram, ring, front, tables }: SensorMemory, out: string): string[] {
  const spectrum = front > 0 ? `, ${thousands(front)} B for spectrograms` : '';
  return [
    `app      make -C ${out} APP=sensor: takes raw values, sees and learns by itself; ${thousands(sram)} B of SRAM,`,
    `         of which ${thousands(ring)} B are the ring of a window${spectrum}; ${thousands(tables)} B of tables in flash`,
  ];
}
