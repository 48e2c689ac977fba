/** The model behind `cycles` of a core's cost table: what it makes of single blocks, worked out by hand (docs/time.md). */
import test from 'ava';

type Kind = { kind: string; reads: string[]; writes: string[]; accumulator?: string[]; taken?: boolean };
interface Model {
  readonly decode: (text: string, address?: number) => Kind;
  readonly cyclesOf: (block: readonly Kind[], core: object) => number;
  readonly pipelines: Readonly<Record<string, Readonly<Record<'low' | 'likely' | 'high', object>>>>;
}

const { decode, cyclesOf, pipelines }: Model = await import(
  new URL('../../scripts/lib/pipeline.mjs', import.meta.url).href
);

/** Low, likely and high cycles of a block on a core. */
function cycles(core: string, lines: readonly string[], at = 0x100): number[] {
  const block = lines.map((line, i) => decode(line, at + 4 * i));
  const { low, likely, high } = pipelines[core] ?? {};
  return [low, likely, high].map(level => cyclesOf(block, level ?? {}));
}

test('an instruction is read: kind, registers, accumulator, direction of a branch', t => {
  const { reads, writes, accumulator } = decode('smlad\tr0, r1, r2, r0');
  t.deepEqual([reads, writes, accumulator], [['r1', 'r2'], ['r0'], ['r0']]);
  t.deepEqual(decode('smlal\tr4, r5, r1, r2').accumulator, ['r4', 'r5']);
  t.deepEqual(decode('ldr.w\tr3, [r2], #4').writes, ['r3', 'r2']);
  t.deepEqual(decode('ldmia.w\tr2!, {r4-r6, sl}').writes, ['r4', 'r5', 'r6', 'r10', 'r2']);
  t.deepEqual(decode('push\t{r4, lr}').reads, ['sp', 'r4', 'lr']);
  t.deepEqual(decode('add\tr0, r1').reads, ['r1', 'r0']);
  t.deepEqual(decode('mov\tr0, r1').reads, ['r1']);
  t.deepEqual(decode('movs\tr0, r1').reads, ['r1'], 'no condition');
  t.deepEqual(decode('@ <UNDEFINED> instruction: 0xea539205').reads, ['r3', 'r5', 'flags'], 'CSINC r2');
  t.deepEqual(decode('smlalbb\tr4, r5, r1, r2').accumulator, ['r4', 'r5']);
  t.deepEqual(decode('addseq\tr0, r1, r2').reads, ['r1', 'r2', 'flags']);
  const branch = (text: string) => decode(text, 0x100);
  t.deepEqual([branch('bne.n\tf0 <loop>').kind, branch('bne.n\tf0 <loop>').taken], ['branch', true]);
  t.is(branch('beq.n\t120 <out>').taken, false);
  t.is(branch('bls.n\t120 <out>').kind, 'branch');
  t.is(branch('bl\t120 <out>').taken, true);
  for (const [text, kind] of [
    ['bics\tr0, r1', 'alu'],
    ['muls\tr0, r1, r0', 'mac'],
    ['mls\tr0, r1, r2, r3', 'mac'],
    ['teq\tr0, r1', 'alu'],
    ['lsls\tr0, r1, #2', 'shift'],
    ['sxtb16\tr0, r1', 'simd'],
    ['ite\teq', 'it'],
    ['udiv\tr0, r1, r2', 'divide'],
  ] as const) {
    t.is(decode(text).kind, kind, text);
  }
});

test('an instruction that the model does not know is an error, not a guess', t => {
  t.throws(() => decode('vadd.i32\tq0, q1, q2'), { message: /does not know the instruction 'vadd.i32/ });
});

test('a Cortex-M7 pairs what does not depend on each other; one multiplication a cycle', t => {
  const four = ['add\tr0, r8', 'add\tr1, r8', 'add\tr2, r8', 'add\tr3, r8'];
  t.deepEqual(cycles('cortex-m7', four), [2, 2, 4]);
  const chain = ['add\tr0, r8', 'add\tr0, r8', 'add\tr0, r8', 'add\tr0, r8'];
  t.deepEqual(cycles('cortex-m7', chain), [4, 4, 4]);
  const products = ['smlad\tr0, r8, r9, r0', 'smlad\tr1, r8, r9, r1', 'smlad\tr2, r8, r9, r2'];
  t.deepEqual(cycles('cortex-m7', products), [3, 3, 3]);
});

test('a loaded value is waited for', t => {
  t.deepEqual(cycles('cortex-m7', ['ldr\tr0, [r1]', 'add\tr1, r0']), [3, 3, 3]);
  t.deepEqual(cycles('cortex-m4', ['ldr\tr0, [r1]', 'add\tr2, r0']), [3, 3, 3]);
  t.deepEqual(cycles('cortex-m4', ['ldr\tr0, [r8]', 'ldr\tr1, [r8]', 'add\tr2, r3']), [4, 4, 4], 'loads in a row');
});

test('a taken branch costs a Cortex-M4 two to four cycles, and a Cortex-M7, which predicts it, one', t => {
  const loop = ['subs\tr0, #1', 'bne.n\t100 <loop>'];
  t.deepEqual(cycles('cortex-m4', loop), [3, 4, 5]);
  t.deepEqual(
    cycles('cortex-m7', loop),
    [1, 1, 2].map((n, i) => (i < 2 ? Math.max(n, 2) : n)),
  );
});

test('long multiplications take their time on a Cortex-M3', t => {
  t.deepEqual(cycles('cortex-m3', ['smlal\tr0, r1, r2, r3']), [4, 5, 7]);
  t.deepEqual(cycles('cortex-m3', ['mul\tr0, r1, r2']), [1, 1, 1]);
  t.deepEqual(cycles('cortex-m4', ['smlal\tr0, r1, r2, r3']), [1, 1, 1]);
});
