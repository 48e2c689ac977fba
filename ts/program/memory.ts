import { TinytrainError } from '../errors.js';
import { thousands } from '../format.js';

/** The board that a Program is measured for where none is named. */
export const defaultTarget = 'stm32f746';

/** One line of the memory table. */
export interface MemoryItem {
  readonly name: string;
  readonly region: 'sram' | 'flash';
  readonly bytes: number;
  /** Whether it is that to the byte; otherwise it is at most that. */
  readonly exact: boolean;
}

/** What there is and what is needed of one memory, in bytes. */
export interface RegionTotal {
  readonly total: number;
  /** What the board has. */
  readonly available: number;
}

/** What a Program takes on a board, item by item, all in: nothing is in memory that is not in this table. */
export interface MemoryTable {
  /** The board. */
  readonly target: string;
  readonly sram: RegionTotal;
  readonly flash: RegionTotal;
  /** The stack that is reserved; one of the items. */
  readonly stack: number;
  /** The calls it is reserved for, outermost first. */
  readonly stackPath: readonly string[];
  readonly items: readonly MemoryItem[];
}

/** What a Program must fit into. */
export interface MemoryLimits {
  /** Bytes of SRAM. */
  readonly budget?: number | undefined;
  /** Bytes of flash. */
  readonly flash?: number | undefined;
  /** A board, whose memory then is a limit too. */
  readonly target?: string | undefined;
}

const LARGEST = 4;

/** Refuses a Program that is larger than it may be: says by how much, and what its largest items are. */
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
    const [code, whose] =
      limit === board
        ? ['BOARD_TOO_SMALL', `the ${thousands(limit)} B that ${memory.target} has`]
        : ['BUDGET_EXCEEDED', `the budget of ${thousands(limit)} B`];
    throw new TinytrainError(
      code,
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
