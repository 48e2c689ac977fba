import { bar, percent, table, thousands } from '../format.js';
import type { MemoryLimits, MemoryTable } from '../program/memory.js';
import type { Placed, ProgramRecord } from '../program/record.js';
import { type NamedBuffer, namedBuffers } from './buffers.js';

const BAR = 24;

/** The items of a region, and their sum; upper bounds are marked `at most`. `which` says of which firmware they are, where that is not the planned one. */
export function regionTable(
  memory: MemoryTable,
  region: 'sram' | 'flash',
  limits: MemoryLimits = {},
  which?: string,
): string {
  const { total, available } = memory[region];
  const budget = region === 'sram' ? limits.budget : limits.flash;
  const items = memory.items.filter(item => item.region === region);
  const rows = items.map(({ name, bytes, exact }) => [name, bytes, exact ? '' : 'at most', bar(bytes / total, BAR)]);
  const exact = items.every(item => item.exact);
  const most = budget ?? available;
  const sum = ['total', total, exact ? '' : 'at most', `of ${thousands(most)}${total > most ? ': does not fit' : ''}`];
  const heading = [`${region === 'sram' ? 'SRAM' : 'flash'} of ${memory.target}`, ...(which ? [which] : [])].join(' ');
  return `${heading}, bytes\n${table([...rows, sum])}`;
}

/** The itemised memory table of a Program. */
export function memoryTable(memory: MemoryTable, limits: MemoryLimits = {}): string {
  return (['sram', 'flash'] as const).map(region => regionTable(memory, region, limits)).join('\n');
}

const ROWS = 16;
/** With the bytes at their left, rows of the map are 78 characters wide. */
const COLUMNS = 66;
const LETTERS = 'abcdefghijklmnopqrstuvwx';
/** A buffer without a letter of its own, and free bytes. */
const OTHER = '-';
const FREE = '.';

/** What a buffer takes of the arena: bytes times steps. */
function areaOf({ windows }: Placed): number {
  return windows.reduce((sum, { start, end, lo, hi }) => sum + (end - start) * (hi - lo), 0);
}

/** The buffers that take most of the arena, by letter: the large ones, and those that live long, which are what training costs. */
function lettered(record: ProgramRecord): ReadonlyMap<Placed, readonly [letter: string, named: NamedBuffer]> {
  const names = namedBuffers(record);
  const order = new Map(record.buffers.map((buffer, i) => [buffer, i] as const));
  const place = (buffer: Placed) => order.get(buffer) ?? 0;
  const most = [...record.buffers].sort((a, b) => areaOf(b) - areaOf(a)).slice(0, LETTERS.length);
  const chosen = most.sort((a, b) => place(a) - place(b));
  return new Map(
    chosen.flatMap((buffer, i) => {
      const [letter, named] = [LETTERS[i], names[place(buffer)]];
      return letter && named ? [[buffer, [letter, named]] as const] : [];
    }),
  );
}

/** The buffer that covers most of a cell, if any. */
function occupant(buffers: readonly Placed[], from: number, to: number, low: number, high: number): Placed | undefined {
  let [best, most] = [undefined as Placed | undefined, 0];
  for (const buffer of buffers) {
    let area = 0;
    for (const { start, end, lo, hi } of buffer.windows) {
      const steps = Math.min(to, end) - Math.max(from, start);
      const bytes = Math.min(high, buffer.offset + hi) - Math.max(low, buffer.offset + lo);
      if (steps > 0 && bytes > 0) area += steps * bytes;
    }
    if (area > most) [best, most] = [buffer, area];
  }
  return best;
}

/** A map of the arena: steps from left to right, bytes from the bottom up; a letter for each buffer that takes much of it, `-` for others, `.` for free bytes. */
export function memoryMap(record: ProgramRecord): string {
  const steps = record.steps.length;
  const columns = Math.min(COLUMNS, steps);
  const height = record.arenaBytes / ROWS;
  const named = lettered(record);
  const lines: string[] = [];
  for (let row = ROWS - 1; row >= 0; row--) {
    const cells = Array.from({ length: columns }, (_, column) => {
      const [from, to] = [(column * steps) / columns, ((column + 1) * steps) / columns];
      const found = occupant(record.buffers, from, to, row * height, (row + 1) * height);
      return found ? (named.get(found)?.[0] ?? OTHER) : FREE;
    });
    lines.push(`${thousands(Math.round(row * height)).padStart(11)} ${cells.join('')}`);
  }
  const share = columns / steps;
  const axis = `${' '.repeat(12)}${'forward'.padEnd(Math.round(record.forward * share), ' ')}backward`;
  const legend = table(
    [...named.values()].map(([letter, { name, size, windows }]) => [
      letter,
      name,
      size,
      `steps ${windows[0]?.start}..${windows.at(-1)?.end}`,
    ]),
  );
  const { lowerBound } = record.plan;
  const above = percent(lowerBound > 0 ? record.arenaBytes / lowerBound - 1 : 0);
  return [
    `arena, ${thousands(record.arenaBytes)} B over ${steps} steps, ${above} above the lower bound of ${thousands(lowerBound)} B`,
    ...lines,
    axis,
    `buffers that take most of it, in bytes and steps; ${OTHER} others, ${FREE} free`,
    legend,
  ].join('\n');
}
