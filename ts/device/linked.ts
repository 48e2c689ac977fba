import { linkedItems } from '../emit/linked.js';
import { ownPrefix } from '../emit/prefix.js';
import { TinytrainError } from '../errors.js';
import type { MemoryItem, MemoryTable } from '../program/memory.js';
import type { Elf } from './elf.js';

/** The memory of a linked firmware, measured from the ELF file. */
export interface Linked {
  /** Bytes from the first to the last one in RAM, including the stack. */
  readonly sram: number;
  /** Bytes reserved for the stack. */
  readonly stack: number;
  /** All bytes written to flash, and those that the linker leaves free for saved states. */
  readonly flash: number;
  /** Bytes of a saved state in flash; undefined in a firmware without a store. */
  readonly record?: number | undefined;
  /** The items of the plan, with the sizes that the compiler and the linker gave them. */
  readonly items: readonly Pick<MemoryItem, 'name' | 'bytes'>[];
}

function bytesOf(elf: Elf, name: string): number {
  return elf.section(name)?.bytes ?? 0;
}

/** Bytes of SRAM of the store and bytes of a saved state in flash; none in a firmware without a store. */
function storeWords(elf: Elf, prefix: string): number[] {
  const name = `${prefix}_linked_store`;
  return elf.symbol(name) ? elf.words(name) : [];
}

/** The items of RAM: those of the context from the table filled in by the compiler, the rest from sections. */
function itemsOf(elf: Elf, sram: number, stack: number, prefix: string): Linked['items'] {
  const sizes = elf.words(`${prefix}_linked`);
  const size = (name: (typeof linkedItems)[number]) => sizes[linkedItems.indexOf(name)] ?? 0;
  const app = elf.symbol('app')?.bytes ?? 0;
  const own = bytesOf(elf, '.data') + bytesOf(elf, '.bss') - app;
  const named = [
    { name: 'arena', bytes: size('arena') },
    { name: 'trained weights', bytes: size('weights') },
    { name: 'residual bits', bytes: size('residuals') },
    { name: 'trained biases', bytes: size('biases') },
    { name: 'head', bytes: size('head') },
    { name: 'replay buffer', bytes: size('replay') },
    { name: 'counters', bytes: size('counters') },
    { name: 'protocol', bytes: elf.words(`${prefix}_linked_protocol`)[0] ?? 0 },
    { name: 'store', bytes: storeWords(elf, prefix)[0] ?? 0 },
    { name: 'data and bss of board', bytes: own },
    { name: 'stack', bytes: stack },
  ];
  const known = named.reduce((sum, { bytes }) => sum + bytes, 0);
  return [...named, { name: 'alignment', bytes: sram - known }].filter(({ bytes }) => bytes !== 0);
}

/** Measures a linked firmware, whose model's names begin with a prefix. */
export function measure(elf: Elf, prefix: string = ownPrefix): Linked {
  const sections = elf.sections.filter(section => section.allocated && section.bytes > 0);
  const ram = ['.stack', '.data', '.bss'].map(name => elf.section(name)).filter(section => section !== undefined);
  const low = Math.min(...ram.map(({ address }) => address));
  const high = Math.max(...ram.map(({ address, bytes }) => address + bytes));
  const flash = sections.filter(({ name, empty }) => !empty && name !== '.stack' && name !== '.bss');
  const stack = bytesOf(elf, '.stack');
  const sram = high - low;
  const kept = elf.symbol('tt_store_flash_bytes')?.value ?? 0;
  return {
    sram,
    stack,
    flash: flash.reduce((sum, { bytes }) => sum + bytes, kept),
    record: storeWords(elf, prefix)[1],
    items: itemsOf(elf, sram, stack, prefix),
  };
}

/** Differences between plan and linked firmware: any in SRAM; in flash, more than the plan's upper bound. */
export function differences(plan: MemoryTable, linked: Linked): string[] {
  const found: string[] = [];
  const planned = plan.items.filter(({ region }) => region === 'sram');
  const names = new Set([...planned, ...linked.items].map(({ name }) => name));
  for (const name of names) {
    const p = planned.find(item => item.name === name)?.bytes ?? 0;
    const l = linked.items.find(item => item.name === name)?.bytes ?? 0;
    if (p !== l) found.push(`${name}: planned ${p} B, linked ${l} B`);
  }
  if (plan.sram.total !== linked.sram) found.push(`SRAM: planned ${plan.sram.total} B, linked ${linked.sram} B`);
  const record = plan.store?.recordBytes;
  if (record !== linked.record) found.push(`a saved state in flash: planned ${record} B, linked ${linked.record} B`);
  if (linked.flash > plan.flash.total)
    found.push(`flash: planned at most ${plan.flash.total} B, linked ${linked.flash} B`);
  return found;
}

/** Throws if a firmware takes different memory than planned. */
export function checkLinked(plan: MemoryTable, linked: Linked): void {
  const found = differences(plan, linked);
  if (found.length === 0) return;
  throw new TinytrainError('MEMORY_DIFFERS', `the memory of the firmware differs from the plan: ${found[0]}`, {
    differences: found,
    help: [...found.slice(1), 'variables of app/ are not part of the plan; for more stack: make STACK_EXTRA=BYTES'],
  });
}
