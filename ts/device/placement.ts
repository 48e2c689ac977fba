import type { AddressRange } from '../emit/board.js';
import type { ProgramRecord } from '../program/record.js';
import type { Elf } from './elf.js';

/** Where a linked firmware has what inner loops touch, on a board with fast memory. */
export interface Placement {
  /** The memory that the core reaches without wait states and without a cache. */
  readonly fast: AddressRange;
  /** The stack, which is always in it: the linker script asserts that. */
  readonly stack: AddressRange;
  /** The context; it begins with the arena. */
  readonly context: AddressRange;
  /** Steps with scratch memory, and those of them whose scratch lies in fast memory. */
  readonly scratch: { readonly steps: number; readonly fast: number; readonly beyond: readonly ScratchBeyond[] };
}

/** Scratch memory of a step that is not, or not entirely, in fast memory. */
export interface ScratchBeyond {
  readonly step: number;
  readonly label: string;
  readonly address: number;
  readonly bytes: number;
}

/** The place of the stack, of the context and of each step's scratch memory; null on a board without fast memory or for an application of other symbols. */
export function placementOf(elf: Elf, fast: AddressRange | undefined, record: ProgramRecord): Placement | null {
  const context = elf.symbol('app');
  const stack = elf.section('.stack');
  if (!fast || !context || !stack) return null;
  const end = fast.origin + fast.length;
  const all = record.steps.flatMap(({ label, operands }, step) =>
    operands.flatMap(operand => {
      if (operand.name !== 'scratch' || operand.place !== 'arena') return [];
      return [{ step, label, address: context.value + operand.offset, bytes: operand.bytes }];
    }),
  );
  const beyond = all.filter(({ address, bytes }) => address + bytes > end);
  return {
    fast,
    stack: { origin: stack.address, length: stack.bytes },
    context: { origin: context.value, length: record.contextBytes },
    scratch: { steps: all.length, fast: all.length - beyond.length, beyond },
  };
}
