// Blocks of a firmware as blocks.c counted them, and what they take.
import { cyclesOf, decode } from './pipeline.mjs';
import { read } from './shell.mjs';

/** Counted blocks between marks: `[address, instructions, count]`, the first part from the start to the first mark. */
export function segments(text) {
  const parts = text.split('mark\n').slice(1);
  return parts.map(part =>
    part
      .trim()
      .split('\n')
      .filter(line => line !== '')
      .map(line => line.split(' '))
      .map(([address, instructions, count]) => [Number.parseInt(address, 16), Number(instructions), Number(count)]),
  );
}

/** The instructions of an ELF file by address, each with the address of the next one. */
export function disassembled(elf) {
  const lines = read('arm-none-eabi-objdump', ['-d', '--no-show-raw-insn', elf], { maxBuffer: 1 << 28 }).split('\n');
  const found = lines.flatMap(line => {
    const match = /^\s*([0-9a-f]+):\s+(.*)$/.exec(line);
    return match ? [{ address: Number.parseInt(match[1], 16), text: match[2] }] : [];
  });
  const at = new Map(found.map(({ address }, i) => [address, i]));
  return { found, at, costs: new Map() };
}

/** Cycles of one block on each level of the model; each is worked out once. */
function cyclesOfBlock(code, address, instructions, levels) {
  const key = `${address} ${instructions}`;
  const known = code.costs.get(key);
  if (known) return known;
  const from = code.at.get(address);
  if (from === undefined) throw new Error(`no code at ${address.toString(16)}`);
  const block = code.found.slice(from, from + instructions).map(({ address: own, text }) => decode(text, own));
  const cycles = levels.map(level => cyclesOf(block, level));
  code.costs.set(key, cycles);
  return cycles;
}

/** Instructions of counted blocks, and their cycles on each level of the model. */
export function blockCycles(code, blocks, levels) {
  const sums = [0, ...levels.map(() => 0)];
  for (const [address, instructions, count] of blocks) {
    const values = [instructions, ...cyclesOfBlock(code, address, instructions, levels)];
    for (const [i, value] of values.entries()) sums[i] += value * count;
  }
  return sums;
}
