/** The memory of the applications that a firmware has beside the one that is planned: `make APP=product`, `make APP=sensor`. */
import type { View } from '../data/images/input.js';
import { type RawSeries, rawBytes } from '../data/series/front.js';
import type { MemoryLimits, MemoryTable } from '../program/memory.js';
import type { Program } from '../program/program.js';
import { regionTable } from './memory.js';

/** Bytes of a `tt_camera` beside the sums of a row (`tt_camera.c` asserts it), and of a pixel of a frame. */
const CAMERA = 28;
const PIXEL = 2;
/** Bytes of an `app_core` of `app/common.h` beside network and store; and what `app/product.c` and `app/sensor.c` remember of their line and their clock. */
const CORE = 8;
const HEARD = 4;
const LISTENED = 12;
const up = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

/** What an application has that is not in the table of the one that is planned: by name, bytes of SRAM and of flash. */
interface Own {
  readonly sram: readonly (readonly [name: string, bytes: number])[];
  readonly flash: readonly (readonly [name: string, bytes: number])[];
}

/**
 * The table of a firmware with another application in place of `app/main.c`: that of the Program without the protocol, and what the application has of its own. Its
 * `app_core` and all its variables end at a multiple of 8 bytes. The stack is the same, since the protocol's calls are deeper.
 */
function withApplication({ store: _, ...memory }: MemoryTable, { sram, flash }: Own): MemoryTable {
  const item = (region: 'sram' | 'flash') => (pair: readonly [string, number]) => ({
    name: pair[0],
    region,
    bytes: pair[1],
    exact: true,
  });
  const kept = memory.items.filter(({ name, region }) => region === 'flash' || name !== 'protocol');
  const own = [...sram.map(item('sram')), ...flash.map(item('flash'))].filter(({ bytes }) => bytes > 0);
  const stack = memory.items.find(({ name }) => name === 'stack');
  const items = [...kept.filter(each => each !== stack), ...own];
  const total = (region: 'sram' | 'flash') =>
    items.reduce((sum, each) => sum + (each.region === region ? each.bytes : 0), 0);
  const variables = total('sram');
  const core = CORE + kept.reduce((sum, each) => sum + (each.region === 'sram' && each !== stack ? each.bytes : 0), 0);
  const behind = up(up(core, 8) + variables - core, 8);
  const padding = { name: 'padding', region: 'sram' as const, bytes: behind - variables, exact: true };
  return {
    ...memory,
    sram: { ...memory.sram, total: variables + padding.bytes + memory.stack },
    flash: { ...memory.flash, total: total('flash') },
    items: [...items, ...(padding.bytes > 0 ? [padding] : []), ...(stack ? [stack] : [])],
  };
}

/** The memory of a firmware with `app/product.c`: a `tt_camera` and a row of a frame. */
export function productMemory(
  { memory, input }: Pick<Program, 'memory' | 'input'>,
  view: View | undefined,
): MemoryTable {
  const camera = CAMERA + 4 * input.width * input.channels;
  const row = up(PIXEL * (view?.width ?? input.width), 4);
  return withApplication(memory, {
    sram: [
      ['camera', camera],
      ['row of a frame', row],
      ['application', CORE + HEARD],
    ],
    flash: [],
  });
}

/** The memory of a firmware with `app/sensor.c`: a `tt_series`, with a front end its state, and a row. */
export function sensorMemory({ memory, record }: Pick<Program, 'memory' | 'record'>, series: RawSeries): MemoryTable {
  const { ring, front, tables } = rawBytes(series, record.input.bytes);
  const row = up((2 * record.input.bytes) / series.window, 4);
  return withApplication(memory, {
    sram: [
      ['ring of a window', ring],
      ['front end', front],
      ['row of raw values', row],
      ['application', CORE + LISTENED],
    ],
    flash: [['tables of raw values', tables]],
  });
}

/** What `compile` says of an application: how it is built, what it does, and its SRAM. */
export function applicationLines(
  application: 'product' | 'sensor',
  memory: MemoryTable,
  limits: MemoryLimits,
  out: string,
): string[] {
  const what =
    application === 'product' ? 'sees, learns and remembers by itself' : 'takes raw values, sees and learns by itself';
  return [
    `app      make -C ${out} APP=${application}: ${what}`,
    regionTable(memory, 'sram', limits, `with APP=${application}`),
  ];
}
