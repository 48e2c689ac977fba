import { bar, percent, table, thousands } from '../format.js';
import type { MemoryLimits, MemoryTable } from '../program/memory.js';
import type { Placed, ProgramRecord } from '../program/record.js';

const BAR = 24;

/** The itemised memory table of a Program; upper bounds are marked `at most`. */
export function memoryTable(memory: MemoryTable, limits: MemoryLimits = {}): string {
  const lines = (['sram', 'flash'] as const).flatMap(region => {
    const { total, available } = memory[region];
    const budget = region === 'sram' ? limits.budget : limits.flash;
    const items = memory.items.filter(item => item.region === region);
    const rows = items.map(({ name, bytes, exact }) => [name, bytes, exact ? '' : 'at most', bar(bytes / total, BAR)]);
    const exact = items.every(item => item.exact);
    const sum = ['total', total, exact ? '' : 'at most', `of ${thousands(budget ?? available)}`];
    return [`${region === 'sram' ? 'SRAM' : 'flash'} of ${memory.target}, bytes`, table([...rows, sum])];
  });
  return lines.join('\n');
}

const ROWS = 16;
const COLUMNS = 72;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** Number of the largest buffers that the map's legend names. */
const NAMED = 12;

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

/** A map of the arena: steps from left to right, bytes from the bottom up; a letter per buffer, `.` for free bytes. */
export function memoryMap(record: ProgramRecord): string {
  const steps = record.steps.length;
  const columns = Math.min(COLUMNS, steps);
  const height = record.arenaBytes / ROWS;
  const letters = new Map(record.buffers.map((buffer, i) => [buffer, LETTERS[i % LETTERS.length] ?? '?']));
  const lines: string[] = [];
  for (let row = ROWS - 1; row >= 0; row--) {
    const cells = Array.from({ length: columns }, (_, column) => {
      const [from, to] = [(column * steps) / columns, ((column + 1) * steps) / columns];
      const found = occupant(record.buffers, from, to, row * height, (row + 1) * height);
      return found ? (letters.get(found) ?? '?') : '.';
    });
    lines.push(`${thousands(Math.round(row * height)).padStart(11)} ${cells.join('')}`);
  }
  const share = columns / steps;
  const axis = `${' '.repeat(12)}${'forward'.padEnd(Math.round(record.forward * share), ' ')}backward`;
  const largest = [...record.buffers].sort((a, b) => b.size - a.size).slice(0, NAMED);
  const legend = table(
    largest.map(buffer => [
      letters.get(buffer) ?? '?',
      buffer.label,
      buffer.size,
      `steps ${buffer.windows[0]?.start}..${buffer.windows.at(-1)?.end}`,
    ]),
  );
  const { lowerBound } = record.plan;
  const above = percent(lowerBound > 0 ? record.arenaBytes / lowerBound - 1 : 0);
  return [
    `arena, ${thousands(record.arenaBytes)} B over ${steps} steps, ${above} above the lower bound of ${thousands(lowerBound)} B`,
    ...lines,
    axis,
    'largest buffers',
    legend,
  ].join('\n');
}
