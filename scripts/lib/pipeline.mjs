// Cycles of blocks of Thumb-2 code on a core, from objdump's text: an in-order model of its pipeline. docs/time.md says what it assumes and where each
// assumption comes from. Memory never stalls here: caches, wait states and bus conflicts are not part of it.

/**
 * How a core issues instructions.
 *
 *   width        instructions a cycle
 *   loadUse      cycles until an address or an ALU can use what was loaded
 *   loadMac      the same for a multiplication
 *   macLatency   cycles until the result of a multiplication can be used; as the accumulator of the next one after a cycle
 *   words        words loaded in a cycle
 *   oneLoad      whether only one load can be issued a cycle
 *   macFirst     whether multiplications and SIMD go only as the first of a pair
 *   loadStall    whether a load takes a second cycle unless another load or a store follows
 *   taken        cycles lost with a taken branch
 *   longMac      further cycles of a multiplication with an accumulator / a 64-bit result / both
 *   divide       cycles of a division
 *   it           cycles of IT
 */
const m7 = {
  ...{ width: 2, loadUse: 2, loadMac: 1, macLatency: 2, words: 2, oneLoad: false, macFirst: false },
  ...{ loadStall: false, taken: 0, longMac: [0, 0, 0], divide: 7, it: 0 },
};
const single = {
  ...{ width: 1, loadUse: 1, loadMac: 1, macLatency: 1, words: 1, oneLoad: true, macFirst: false },
  ...{ loadStall: true, taken: 2, longMac: [0, 0, 0], divide: 7, it: 1 },
};
const m4 = {
  low: { ...single, taken: 1, divide: 2, it: 0 },
  likely: single,
  high: { ...single, taken: 3, divide: 12 },
};

/** For each core: low, likely and high. */
export const pipelines = {
  'cortex-m7': {
    low: m7,
    likely: { ...m7, loadMac: 2, macFirst: true },
    high: { ...m7, width: 1, loadMac: 2, oneLoad: true },
  },
  'cortex-m55': {
    low: { ...m7, loadMac: 2, macFirst: true },
    likely: { ...m7, width: 1, loadMac: 2, oneLoad: true, words: 2, taken: 1 },
    high: m4.high,
  },
  'cortex-m33': { low: { ...m4.low, loadStall: false, loadUse: 2, loadMac: 2 }, likely: m4.likely, high: m4.high },
  'cortex-m4': m4,
  'cortex-m3': {
    low: { ...m4.low, longMac: [1, 2, 3] },
    likely: { ...m4.likely, longMac: [1, 3, 4] },
    high: { ...m4.high, longMac: [1, 4, 6] },
  },
};

const words = text => new Set(text.split(' '));
const MAC = words(
  'mul mla mls smlad smladx smuad smuadx smulbb smulbt smultb smultt smlabb smlabt smlatb smlatt smulwb smulwt smlawb smlawt smmul smmulr smmla smmlar smmls smull umull smlal umlal smlalbb smlalbt smlaltb smlaltt smlald umaal',
);
const LONG = words('smull umull smlal umlal smlalbb smlalbt smlaltb smlaltt smlald umaal');
const ACCUMULATE = words('mla mls smlad smladx smlabb smlabt smlatb smlatt smlawb smlawt smmla smmlar smmls');
const SIMD = words(
  'sxtb16 sxtab16 uxtb16 uxtab16 pkhbt pkhtb ssat usat ssat16 usat16 qadd qsub qadd8 qadd16 sadd8 sadd16 uadd8 uadd16 ssub16 usub8 uqsub16 sel',
);
const SHIFT = words('lsl lsr asr ror rrx bfi bfc ubfx sbfx sxtb uxtb sxth uxth sxtab uxtab sxtah uxtah');
const ALU = words(
  'add addw sub subw adc sbc rsb and orr orn eor bic mov movw movt mvn neg adr nop rev rev16 revsh clz rbit',
);
/** Of Armv8.1-M: chosen by a flag, long shifts, the beginning of a loop. */
const ALU_81 = words('csel csinc csinv csneg cset csetm cinc cinv cneg lsll lsrl asrl dls');
/** Never in an inner loop: what they take does not matter. */
const SYSTEM = words('mrs msr dsb isb dmb cpsid cpsie bkpt svc wfi udf');
const COMPARE = words('cmp cmn tst teq');
const UNARY = words('mov mvn neg sxtb uxtb sxth uxth sxtb16 uxtb16 clz rev rbit ubfx sbfx ssat usat ssat16 usat16');
const CONDITION = /(?:eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)$/;
const KEPT = words('teq movs muls lsls adcs sbcs bics svc dls wls le'); // end like a condition, and have none

/** CSINC, CSINV and CSNEG of equal registers, whose other names binutils 2.40 does not know: Rn, Rd, Rm. */
const UNNAMED_CINC = /^@ <UNDEFINED> instruction: 0xea5([0-9a-f])[89ab]([0-9a-f])[0-9a-f]([0-9a-f])/;

const ORDER = [...Array.from({ length: 13 }, (_, i) => `r${i}`), 'sp', 'lr', 'pc'];
const ALIAS = { sl: 'r10', fp: 'r11', ip: 'r12' };
const register = name => ALIAS[name] ?? name;

/** Registers named in an operand list, in order. */
function registers(text) {
  return [...text.matchAll(/\b(r\d+|sl|fp|ip|sp|lr|pc|s\d+|d\d+|q\d+)\b/g)].map(([, name]) => register(name));
}

/** Registers of `{r4-r7, lr}`. */
function list(text) {
  return text.split(',').flatMap(part => {
    const [from, to] = part.split('-').map(name => register(name.trim()));
    return to === undefined ? [from] : ORDER.slice(ORDER.indexOf(from), ORDER.indexOf(to) + 1);
  });
}

function memory(name, operands) {
  const writes = [];
  const several = /^(ldm|stm|push|pop)/.test(name);
  if (several) {
    const [base, inner] = operands.includes('{') ? operands.split('{') : ['', operands];
    const stack = name === 'push' || name === 'pop';
    const pointer = stack ? 'sp' : registers(base)[0];
    const moved = list(inner.replace(/[{}]/g, ''));
    if (stack || base.includes('!')) writes.push(pointer);
    return name.startsWith('ldm') || name === 'pop'
      ? {
          kind: 'several',
          load: true,
          reads: [pointer],
          writes: [...moved, ...writes],
          words: moved.length,
          branch: moved.includes('pc'),
        }
      : { kind: 'several', load: false, reads: [pointer, ...moved], writes, words: moved.length };
  }
  const [before, inside = ''] = operands.split(/\[(.*)/s);
  const [data, address] = [registers(before), registers(inside)];
  if (/!|\],/.test(inside)) writes.push(address[0]);
  const two = name.startsWith('ldrd') || name.startsWith('strd') ? 2 : 1;
  return name.startsWith('ldr')
    ? {
        kind: 'load',
        load: true,
        reads: address,
        writes: [...data, ...writes],
        words: two,
        branch: data.includes('pc'),
      }
    : { kind: 'store', load: false, reads: [...data, ...address], writes, words: two };
}

/**
 * One instruction: `kind`, the registers that it `reads` and `writes`, the `accumulator` among what it reads, `words` of memory, and for a branch whether
 * it is `taken` (a conditional one if it goes back). `address` is its own.
 */
export function decode(text, address = 0) {
  const [, n, d, m] = UNNAMED_CINC.exec(text) ?? [];
  if (d !== undefined) {
    const [first, result, second] = [n, d, m].map(digit => ORDER[Number.parseInt(digit, 16)]);
    return { kind: 'alu', reads: [first, second, 'flags'], writes: [result], words: 0 };
  }
  const [mnemonic = '', rest = ''] = text.trim().split(/\s+(.*)/s);
  const operands = rest.split(/[@;]/)[0].trim();
  let name = mnemonic.split('.')[0];
  if (/^it[te]*$/.test(name)) return { kind: 'it', reads: ['flags'], writes: [], words: 0 };
  const condition = name.length > 2 && CONDITION.test(name) && !KEPT.has(name) && !MAC.has(name) && !SIMD.has(name);
  if (condition) name = name.slice(0, -2);
  if (['b', 'bl', 'blx', 'bx', 'cbz', 'cbnz', 'tbb', 'tbh', 'le', 'wls'].includes(name)) {
    const target = Number.parseInt(/\b([0-9a-f]+)\b(?= <)/.exec(rest)?.[1] ?? '', 16);
    const sometimes = condition || ['cbz', 'cbnz', 'le', 'wls'].includes(name);
    const reads = name === 'b' || name === 'bl' ? [] : registers(operands);
    if (condition) reads.push('flags');
    return {
      kind: 'branch',
      reads,
      writes: name.startsWith('bl') ? ['lr'] : [],
      words: 0,
      taken: !sometimes || target <= address,
    };
  }
  if (/^(ldr|str|ldm|stm|push|pop)/.test(name)) return memory(name, operands);
  const named = registers(operands);
  const plain = [MAC, SIMD, SYSTEM, ALU_81].some(kind => kind.has(name)) ? name : name.replace(/s$/, '');
  if (MAC.has(plain)) {
    const results = LONG.has(plain) ? 2 : 1;
    const long = LONG.has(plain) && !plain.endsWith('mull');
    const accumulator = ACCUMULATE.has(plain) ? named.slice(3, 4) : long ? named.slice(0, 2) : [];
    const reads = ACCUMULATE.has(plain) ? named.slice(1, 3) : named.slice(results);
    const extra = LONG.has(plain) ? (accumulator.length > 0 ? 2 : 1) : ACCUMULATE.has(plain) ? 0 : -1;
    return { kind: 'mac', reads, writes: named.slice(0, results), accumulator, words: 0, extra };
  }
  if (name === 'sdiv' || name === 'udiv')
    return { kind: 'divide', reads: named.slice(1), writes: named.slice(0, 1), words: 0 };
  if (COMPARE.has(name)) return { kind: 'alu', reads: named, writes: ['flags'], words: 0 };
  const chosen = ALU_81.has(plain);
  if (![ALU, SIMD, SHIFT, SYSTEM].some(known => known.has(plain)) && !chosen)
    throw new Error(`scripts/lib/pipeline.mjs does not know the instruction '${text}'`);
  const reads = named.slice(1);
  const both =
    named.length === 1 || (named.length === 2 && !UNARY.has(plain)) || ['bfi', 'bfc', 'movt'].includes(plain);
  if (both && !(plain.startsWith('mov') && plain !== 'movt')) reads.push(...named.slice(0, 1));
  const writes = named.slice(0, 1);
  if (plain !== name) writes.push('flags');
  if (condition || (chosen && plain.startsWith('c')) || plain === 'adc' || plain === 'sbc' || plain === 'sel')
    reads.push('flags');
  const shifted = SHIFT.has(plain) || /\b(lsl|lsr|asr|ror)\b/.test(operands);
  return { kind: SIMD.has(plain) ? 'simd' : shifted ? 'shift' : 'alu', reads, writes, words: 0 };
}

/** The pipeline while it runs. */
class Core {
  time = 0;
  #core;
  #issued = 0;
  #used = new Map();
  #ready = { alu: new Map(), mac: new Map(), accumulator: new Map() };
  #afterLoad = false;

  constructor(core) {
    this.#core = core;
  }

  #advance(time) {
    if (time <= this.time) return;
    this.time = time;
    this.#issued = 0;
    this.#used.clear();
  }

  /** Keeps everything else out of this cycle and of some more. */
  #occupy(cycles) {
    this.#advance(this.time + cycles);
    this.#issued = this.#core.width;
  }

  #count(unit) {
    return this.#used.get(unit) ?? 0;
  }

  /** Whether an instruction can be issued in this cycle beside those that were. */
  #fits({ kind, words: wide, branch }) {
    const { width, words: most, oneLoad, macFirst } = this.#core;
    if (this.#issued >= width) return false;
    if (this.#issued === 0) return true;
    if (branch || kind === 'several' || kind === 'divide') return false;
    if (macFirst && (kind === 'mac' || kind === 'simd')) return false;
    if (kind === 'load') return oneLoad ? this.#count('words') === 0 : this.#count('words') + wide <= most;
    if (['mac', 'store', 'branch', 'simd', 'shift'].includes(kind) && this.#count(kind) > 0) return false;
    return !['alu', 'simd', 'shift'].includes(kind) || this.#count('alu') < 2;
  }

  issue(instruction) {
    const { kind, reads, writes, accumulator = [], words: wide, load, branch, taken, extra } = instruction;
    const core = this.#core;
    if (kind === 'it') {
      if (core.it > 0) this.#advance(this.time + core.it);
      return;
    }
    const memoryAccess = load !== undefined;
    if (core.loadStall && this.#afterLoad && !memoryAccess) this.#advance(this.time + 2);
    this.#afterLoad = kind === 'load';
    const wait = (ready, names) => names.reduce((time, name) => Math.max(time, ready.get(name) ?? 0), this.time);
    this.#advance(wait(kind === 'mac' ? this.#ready.mac : this.#ready.alu, reads));
    this.#advance(wait(this.#ready.accumulator, accumulator));
    while (!this.#fits(instruction)) this.#advance(this.time + 1);
    this.#issued++;
    this.#used.set(kind, this.#count(kind) + 1);
    if (['simd', 'shift'].includes(kind)) this.#used.set('alu', this.#count('alu') + 1);
    if (load) this.#used.set('words', this.#count('words') + wide);
    if (kind === 'several') this.#occupy(Math.ceil(wide / core.words) - (core.loadStall ? 0 : 1));
    if (kind === 'mac' && extra >= 0 && core.longMac[extra] > 0) this.#occupy(core.longMac[extra]);
    const [alu, mac, next] =
      { mac: [core.macLatency, core.macLatency, 1], divide: [core.divide, core.divide, core.divide] }[kind] ??
      (load ? [core.loadUse, core.loadMac, core.loadMac] : [1, 1, 1]);
    for (const name of writes) {
      const base = memoryAccess && reads.includes(name);
      this.#ready.alu.set(name, this.time + (base ? 1 : alu));
      this.#ready.mac.set(name, this.time + (base ? 1 : mac));
      this.#ready.accumulator.set(name, this.time + (base ? 1 : next));
    }
    if (branch) this.#advance(this.time + 3);
    else if (kind === 'branch') {
      this.#issued = core.width;
      if (taken && core.taken > 0) this.#advance(this.time + 1 + core.taken);
    }
  }
}

const REPEATS = 4;

/** Cycles of a block of decoded instructions on a core, as one of many times in a row. */
export function cyclesOf(block, core) {
  const run = new Core(core);
  const once = () => {
    for (const instruction of block) run.issue(instruction);
  };
  once();
  once();
  const before = run.time;
  for (let i = 0; i < REPEATS; i++) once();
  return (run.time - before) / REPEATS;
}
