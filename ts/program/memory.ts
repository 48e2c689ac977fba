import * as v from 'valibot';
import type { feeds } from '../defaults.js';
import { TinytrainError } from '../errors.js';
import { thousands } from '../format.js';
import { count } from '../json.js';

/** The board for which a Program's memory is reported if none is given. */
export const defaultTarget = 'stm32f746';

/** One item of the memory table. */
export interface MemoryItem {
  readonly name: string;
  readonly region: 'sram' | 'flash';
  readonly bytes: number;
  /** Whether the number is exact; otherwise it is an upper bound. */
  readonly exact: boolean;
}

/** Bytes available and required in one memory. */
export interface RegionTotal {
  readonly total: number;
  /** Bytes available on the board. */
  readonly available: number;
}

/** Saved states in flash. A pair is a typical value and the largest. */
export interface StoreTable {
  readonly sectors: number;
  readonly sectorBytes: number;
  /** Bytes that a saved state takes in flash. */
  readonly recordBytes: number;
  /** Saved states that all sectors hold: each sector is erased once in as many saves. */
  readonly records: number;
  /** What is known of this flash; null if it is only modelled. */
  readonly times: {
    /** Seconds in which a save is programmed. */
    readonly save: readonly [number, number];
    /** Seconds that a save takes in addition where a sector must be erased first: one of `records / sectors`. */
    readonly erase: readonly [number, number];
    /** How often a sector may be erased. */
    readonly cycles: number;
    /** Where that is from. */
    readonly source: string;
  } | null;
}

/** The memory of a Program on a board, item by item. It is complete: there is nothing in memory that is not in this table. */
export interface MemoryTable {
  /** The board. */
  readonly target: string;
  readonly sram: RegionTotal;
  readonly flash: RegionTotal;
  /** Bytes reserved for the stack; one of the items. */
  readonly stack: number;
  /** No arena can be smaller than this: the most bytes of it that live at once. */
  readonly bound: number;
  /** The calls for which it is reserved, outermost first. */
  readonly stackPath: readonly string[];
  readonly items: readonly MemoryItem[];
  /** What is kept over a reset, in a firmware with a store. */
  readonly store?: StoreTable | undefined;
}

const region = v.object({ total: count, available: count });
const seconds = v.pipe(v.number(), v.finite(), v.minValue(0));
const range = v.tuple([seconds, seconds]);
const storeTable = v.object({
  sectors: count,
  sectorBytes: count,
  recordBytes: count,
  records: count,
  times: v.nullable(v.object({ save: range, erase: range, cycles: count, source: v.string() })),
});

/** Schema of a table that was read from a file. */
export const memoryTable: v.GenericSchema<unknown, MemoryTable> = v.object({
  target: v.string(),
  sram: region,
  flash: region,
  stack: count,
  bound: count,
  stackPath: v.array(v.string()),
  items: v.array(
    v.object({ name: v.string(), region: v.picklist(['sram', 'flash']), bytes: count, exact: v.boolean() }),
  ),
  store: v.optional(storeTable),
});

/** Limits on the memory of a Program. */
export interface MemoryLimits {
  /** Bytes of SRAM. */
  readonly budget?: number | undefined;
  /** Bytes of flash. */
  readonly flash?: number | undefined;
  /** A board whose memory is a limit too. */
  readonly target?: string | undefined;
  /** How samples come in: as a whole (the default), or row by row, as a camera delivers them, so that no memory for a whole one is needed. */
  readonly feed?: Feed | undefined;
  /** Whether the firmware keeps what was learned in flash, which takes some of both memories. */
  readonly store?: boolean | undefined;
  /** Samples for which there is a place in the replay buffer, to be trained on again; none by default. */
  readonly replay?: number | undefined;
}

/** How samples come in. */
export type Feed = (typeof feeds)[number];

/** The limits that are given, without those that are not. */
export function givenLimits({ budget, flash, target, feed, store, replay }: MemoryLimits): MemoryLimits {
  return {
    ...(budget !== undefined && { budget }),
    ...(flash !== undefined && { flash }),
    ...(target !== undefined && { target }),
    ...(feed === 'rows' && { feed }),
    ...(store && { store }),
    ...(replay && { replay }),
  };
}

const LARGEST = 4;

/** Throws if a Program exceeds its limits; the error tells by how much, and lists the largest items. */
export function checkLimits(memory: MemoryTable, limits: MemoryLimits): void {
  for (const [region, budget, name] of [
    ['sram', limits.budget, 'SRAM'],
    ['flash', limits.flash, 'flash'],
  ] as const) {
    const { total, available } = memory[region];
    const board = limits.target === undefined ? Number.POSITIVE_INFINITY : available;
    const limit = Math.min(board, budget ?? Number.POSITIVE_INFINITY);
    if (total <= limit) continue;
    const items = memory.items.filter(item => item.region === region).sort((a, b) => b.bytes - a.bytes);
    const missing = total - limit;
    const byBoard = limit === board;
    const whose = byBoard
      ? `the ${thousands(limit)} B that ${memory.target} has`
      : `the budget of ${thousands(limit)} B`;
    throw new TinytrainError(
      byBoard ? 'BOARD_TOO_SMALL' : 'BUDGET_EXCEEDED',
      `the program needs ${thousands(total)} B of ${name}, ${thousands(missing)} B more than ${whose}`,
      {
        region,
        needed: total,
        limit,
        missing,
        items,
        help: [
          'its largest items:',
          ...items.slice(0, LARGEST).map(item => `  ${item.name}: ${thousands(item.bytes)} B`),
        ],
      },
    );
  }
}
