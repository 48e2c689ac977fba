import { promises as fs } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { defaultImages } from '../data/drawn/set.js';
import type { Board } from '../emit/board.js';
import { modelFrame } from '../emit/build.js';
import { emit } from '../emit/emit.js';
import { TinytrainError } from '../errors.js';
import { inTemporaryFolder } from '../files.js';
import { inOwnFolder } from '../folder.js';
import { loadModel } from '../model/model.js';
import { call, native } from '../native.js';
import { type CompileOptions, Compiler } from '../program/compiler.js';
import type { MemoryTable } from '../program/memory.js';
import type { Program } from '../program/program.js';
import { readElf } from './elf.js';
import { emitInput } from './firmware.js';
import { boardSources, kernelFlags } from './sources.js';
import { build, compilerTool, requireTool } from './toolchain.js';

/** A compiled function: source, bytes of code, bytes of its own stack frame, the functions that it calls. */
interface CompiledFunction {
  readonly file: string;
  readonly code: number;
  readonly stack: number;
  readonly calls: readonly string[];
}

type Functions = Readonly<Record<string, CompiledFunction>>;
type Pointers = Readonly<Record<string, readonly string[]>>;

/** The functions shared by all boards with the same core. */
export interface CoreTable {
  readonly generator: string;
  readonly compiler: string;
  readonly flags: readonly string[];
  readonly kernel_flags: string;
  /** Bytes of SRAM of the protocol. */
  readonly protocol: number;
  /** Bytes of constants by file. */
  readonly constants: Readonly<Record<string, number>>;
  readonly functions: Functions;
  /** Those that are other ones, or there only, where samples come row by row. */
  readonly fed: Functions;
  /** Those that are other ones, or there only, with a replay buffer. */
  readonly replay: Functions;
  /** What a store adds or changes; undefined for a board without one. */
  readonly store?: {
    /** Bytes of SRAM of the store. */
    readonly bytes: number;
    readonly constants: Readonly<Record<string, number>>;
    readonly functions: Functions;
    /** Those of a firmware with a store that are other ones, or there only, where samples come row by row. */
    readonly fed: Functions;
    /** Likewise with a replay buffer. */
    readonly replay: Functions;
  };
}

/** The functions specific to a board. */
export interface BoardTable {
  readonly generator: string;
  readonly compiler: string;
  /** Bytes of constants, including the vector table. */
  readonly constants: number;
  /** Functions that no other function calls: handlers of the vector table. */
  readonly roots: readonly string[];
  readonly functions: Functions;
  /** What a store adds or changes. */
  readonly store?: { readonly constants: number; readonly functions: Functions };
}

/** The properties of a board's compiled code that the planner needs. */
export interface Tables {
  readonly board: Board;
  readonly own: BoardTable;
  readonly core: CoreTable;
}

const GENERATOR = 'tinytrain board';
/**
 * Calls that the compiler's graph does not show: through function pointers passed to `api.c` (no other function may call through a pointer), and the handler of
 * faults, which the vector table names and which is in assembler.
 */
const THROUGH_POINTERS: Pointers = {
  tt_start: ['tt_fault_vector'],
  tt_fault_vector: ['board/common/start.c:fault_at'],
  tt_save: ['protocol/tt_protocol.c:write_part'],
  tt_load: ['protocol/tt_protocol.c:read_part'],
};
/** The same in a firmware with a store. */
const THROUGH_POINTERS_OF_STORE: Pointers = {
  ...THROUGH_POINTERS,
  tt_save: [...(THROUGH_POINTERS.tt_save ?? []), 'store/tt_store.c:put'],
  tt_load: [...(THROUGH_POINTERS.tt_load ?? []), 'store/tt_store.c:get'],
};
const INDIRECT = '__indirect_call';
/** Parts of model.c; the kernels that they call depend on a Program's steps. */
const PARTS = ['tt_forward', 'tt_backward', 'tt_scores', 'tt_error', 'tt_next_row', 'tt_prefix'];
/** Those whose frame differs between Programs. */
const DIFFERING = new Set(['tt_forward', 'tt_backward', 'tt_next_row', 'tt_prefix']);
/** The firmwares that are built: one with trainable state of every kind; one for samples that come row by row and one with a replay buffer, of any scheme. */
const VARIANTS = {
  whole: { scheme: 'full' },
  rows: { scheme: 'head', feed: 'rows' },
  replay: { scheme: 'head', replay: 1 },
} as const satisfies Readonly<Record<string, CompileOptions>>;
/** Bytes of stack, and of each memory, while the tables are created: nothing runs, and all kernels together need not fit the board. */
const STACK = 8192;
const ROOM = 1 << 24;
const LIBRARY = 'library';

function sorted<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  return Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}

function broken(text: string): TinytrainError {
  return new TinytrainError('TABLES_FAILED', `the tables of the board cannot be created: ${text}`);
}

/** Sizes of the functions in an object or ELF file, and whether they are visible to other files. */
async function symbols(
  path: string,
): Promise<ReadonlyMap<string, { readonly bytes: number; readonly global: boolean }>> {
  const lines = (await compilerTool('nm', ['-S', '--defined-only', path])).split('\n');
  const found = lines.flatMap(line => {
    const [, size, kind, name] = line.trim().split(/\s+/);
    if (size === undefined || kind === undefined || name === undefined || !/^[tTwW]$/.test(kind)) return [];
    return [[name, { bytes: Number.parseInt(size, 16), global: kind !== 't' }] as const];
  });
  return new Map(found);
}

/** Lines of code by function. */
async function disassembly(path: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const blocks = (await compilerTool('objdump', ['-d', path])).split(/\n(?=[0-9a-f]{8} <)/);
  return new Map(
    blocks.flatMap(block => {
      const name = /^[0-9a-f]{8} <([^>]+)>:/.exec(block)?.[1];
      return name === undefined ? [] : [[name, block.split('\n').slice(1)] as const];
    }),
  );
}

const isPush = (line: string) => /\t(?:push|stmdb|stmfd)(?:\.w)?\t/.test(line);

/** Bytes that an instruction reserves on the stack without storing anything. */
function reserved(line: string): number {
  return Number(/\tsub(?:\.w|w)?\tsp, (?:sp, )?#(\d+)/.exec(line)?.[1] ?? 0);
}

/** Bytes that an instruction pushes. */
function pushed(line: string): number {
  const list = isPush(line) ? /\{(.*?)\}/.exec(line)?.[1] : undefined;
  const registers = (list?.split(',') ?? []).reduce((n, part) => n + (part.includes('-') ? 8 : 1), 0);
  return 4 * registers + Number(/\tstrd?(?:\.w)?\t.*\[sp, #-(\d+)\]!/.exec(line)?.[1] ?? 0);
}

/** Bytes that GCC does not count in a frame: if an argument is passed partly in registers, these are stored above the frame before anything is pushed. */
function aboveFrame(lines: readonly string[]): number {
  const first = lines.findIndex(isPush);
  return lines.slice(0, Math.max(0, first)).reduce((sum, line) => sum + reserved(line), 0);
}

/** The frame of a function written in assembly, of which GCC knows none: everything that it pushes. */
function assembled(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + pushed(line), 0);
}

/** The functions of a compiled file by their names in the tables, and the bytes of its constants. */
interface Compiled {
  readonly file: string;
  readonly functions: Functions;
  readonly constants: number;
}

async function constantsOf(object: string): Promise<number> {
  const lines = (await compilerTool('size', ['-A', object])).split('\n').map(line => line.trim().split(/\s+/));
  const constant = lines.filter(([name = '']) => name.startsWith('.rodata') || name.startsWith('.vectors'));
  return constant.reduce((sum, [, bytes]) => sum + Math.ceil(Number(bytes) / 8) * 8, 0);
}

/** The functions of one object, from the call graph written by the compiler; `pointers` are the calls that it does not show. */
async function compiled(folder: string, graph: string, pointers: Pointers): Promise<Compiled> {
  const object = graph.replace(/\.ci$/, '.o');
  const file = relative(folder, object).split(sep).join('/').replace(/\.o$/, '.c');
  const [known, code, text] = await Promise.all([symbols(object), disassembly(object), fs.readFile(graph, 'utf8')]);
  const short = (title: string) => title.split(':').at(-1) ?? '';
  const key = (name: string) => (known.get(name)?.global === false ? `${file}:${name}` : name);
  const calls = new Map<string, string[]>();
  for (const [, from = '', to = ''] of text.matchAll(/^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"/gm)) {
    calls.set(short(from), [...(calls.get(short(from)) ?? []), short(to)]);
  }
  const functions: Record<string, CompiledFunction> = {};
  for (const [, title = '', label = ''] of text.matchAll(/^node: \{ title: "([^"]+)" label: "([^"]+)"/gm)) {
    const name = short(title);
    if (label.includes('bytes (dynamic)')) throw broken(`the frame of ${name} in ${file} has no bound`);
    const stack = /(\d+) bytes \((?:static|dynamic,bounded)\)/.exec(label)?.[1];
    if (stack === undefined) continue;
    const called = calls.get(name) ?? [];
    const lines = code.get(name) ?? [];
    const through = pointers[name] ?? [];
    if (called.includes(INDIRECT) && through.length === 0) {
      throw broken(`${name} in ${file} calls through a pointer, so its stack is not known`);
    }
    functions[key(name)] = {
      file,
      code: known.get(name)?.bytes ?? 0,
      stack: Number(stack) === 0 ? assembled(lines) : Number(stack) + aboveFrame(lines),
      calls: unique([...called.filter(to => to !== INDIRECT).map(key), ...through]),
    };
  }
  return { file, functions, constants: await constantsOf(object) };
}

/** Functions of libraries, from the linked program: each takes at most everything that it pushes or reserves anywhere. */
async function libraryFunctions(elf: string, compiledNames: ReadonlySet<string>): Promise<Functions> {
  const [known, code] = await Promise.all([symbols(elf), disassembly(elf)]);
  const functions: Record<string, CompiledFunction> = {};
  for (const [name, lines] of code) {
    if (compiledNames.has(name)) continue;
    const instructions = lines.filter(line => /^\s+[0-9a-f]+:/.test(line));
    const jumps = instructions.flatMap(
      line => /\tb(?:l|[a-z]{2})?(?:\.w|\.n)?\t[0-9a-f]+ <(\w+)>/.exec(line)?.[1] ?? [],
    );
    functions[name] = {
      file: LIBRARY,
      code: known.get(name)?.bytes || 4 * instructions.length,
      stack: lines.reduce((sum, line) => sum + pushed(line) + reserved(line), 0),
      calls: unique(jumps.filter(to => to !== name)),
    };
  }
  return functions;
}

/** All functions that can be reached from the given ones. */
function reached(functions: Functions, from: Iterable<string>): Set<string> {
  const found = new Set<string>();
  const open = [...from];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const known = functions[name];
    if (found.has(name) || !known) continue;
    found.add(name);
    open.push(...known.calls);
  }
  return found;
}

/** The parts of model.c, for any Program: without kernels, and with the frame that the emitted build enforces if it differs between Programs. */
function asInEveryProgram(functions: Functions): Functions {
  const parts = PARTS.flatMap(name => {
    const part = functions[name];
    if (!part) return [];
    const calls = part.calls.filter(to => !functions[to]?.file.startsWith('kernels/'));
    return [[name, { ...part, stack: DIFFERING.has(name) ? modelFrame : part.stack, calls }] as const];
  });
  return { ...functions, ...Object.fromEntries(parts) };
}

/** A firmware with every kernel as it was compiled for a board. */
interface Build {
  readonly objects: readonly Compiled[];
  readonly library: Functions;
  /** Bytes of SRAM of the protocol, and of the store. */
  readonly protocol: number;
  readonly store: number;
}

/** The functions of a firmware by their names in the tables. */
function allFunctions({ objects, library }: Build): Functions {
  return { ...library, ...asInEveryProgram(Object.assign({}, ...objects.map(one => one.functions))) };
}

/** The functions that are other ones than those of `whole`, but for the parts whose frames and callees follow from the Program. */
function otherOnes(whole: Functions, variant: Functions): Functions {
  const other = Object.entries(variant).filter(([name, one]) => {
    const same = whole[name];
    if (!same) return true;
    if (one.file === 'model/model.c' || one.file === 'model/state.c' || one.file === LIBRARY) return false;
    return JSON.stringify(one) !== JSON.stringify(same);
  });
  return sorted(other);
}

type Builds = Readonly<Record<keyof typeof VARIANTS, Build>>;

/** The part of the firmwares that is the board's own, and that which all boards with its core share. */
function split(board: Board, { whole, rows, replay }: Builds) {
  const { objects } = whole;
  const isOwn = (file: string) => file.startsWith(`board/${board.name}/`);
  const all = allFunctions(whole);
  const entries = Object.entries(all);
  const ownNames = entries.filter(([, { file }]) => isOwn(file)).map(([name]) => name);
  const called = new Set(entries.flatMap(([, { calls }]) => calls));
  const isLibrary = (name: string) => all[name]?.file === LIBRARY;
  const shared = entries.filter(([, { file }]) => !isOwn(file) && file !== LIBRARY).map(([name]) => name);
  // A function of a library belongs to its callers: to both tables, if both call it.
  const pick = (names: readonly string[]) => {
    const libraries = [...reached(all, names)].filter(isLibrary);
    return sorted([...names, ...libraries].flatMap(name => (all[name] ? [[name, all[name]] as const] : [])));
  };
  const constants = objects.filter(one => one.constants > 0);
  return {
    own: {
      constants: constants.filter(({ file }) => file.startsWith('board/')).reduce((sum, one) => sum + one.constants, 0),
      roots: ownNames.filter(name => !called.has(name)).sort(),
      functions: pick(ownNames),
    },
    core: {
      // Constants of model/ are counted by the plan.
      constants: sorted(
        constants
          .filter(({ file }) => /^(kernels|protocol|app|store)\/|^model\/api/.test(file))
          .map(one => [one.file, one.constants] as const),
      ),
      functions: pick(shared),
      fed: otherOnes(all, allFunctions(rows)),
      replay: otherOnes(all, allFunctions(replay)),
    },
  };
}

/** The entries of `changed` that are not the same in `plain`. */
function difference<T>(plain: Readonly<Record<string, T>>, changed: Readonly<Record<string, T>>): Record<string, T> {
  const same = (name: string) => JSON.stringify(plain[name]) === JSON.stringify(changed[name]);
  return sorted(Object.entries(changed).filter(([name]) => !same(name)));
}

/** The tables of a board, from its builds without and with a store. */
function tablesOf(board: Board, compiler: string, plain: Builds, kept: Builds | undefined): Tables {
  const head = { generator: GENERATOR, compiler };
  const { own, core } = split(board, plain);
  const more = kept && split(board, kept);
  return {
    board,
    own: {
      ...head,
      ...own,
      ...(more && {
        store: { constants: more.own.constants, functions: difference(own.functions, more.own.functions) },
      }),
    },
    core: {
      ...head,
      flags: board.flags,
      kernel_flags: kernelFlags,
      protocol: plain.whole.protocol,
      ...core,
      ...(more && {
        store: {
          bytes: kept.whole.store,
          constants: difference(core.constants, more.core.constants),
          functions: difference(core.functions, more.core.functions),
          fed: more.core.fed,
          replay: more.core.replay,
        },
      }),
    },
  };
}

/** Builds a firmware with every kernel for a board. */
async function buildAll(board: Board, program: Program, store: boolean, signal?: AbortSignal): Promise<Build> {
  return inTemporaryFolder('tables', async folder => {
    const input = await emitInput(program);
    const roomy = { ...board, flash: { ...board.flash, length: ROOM }, sram: { ...board.sram, length: ROOM } };
    const boards = [{ board: roomy, stack: STACK }];
    const sources = new Map([...input.sources, ...(await boardSources(board, store))]);
    const kernelFiles = [...sources.keys()].filter(path => path.startsWith('kernels/'));
    const memory = unknown(board);
    // Saving at every step compiles whatever a store can do.
    const kept = { store, saveEvery: 1 };
    const files = emit({ ...input, ...kept, sources, kernelFiles, memory, target: board.name, boards });
    for (const [path, text] of files) {
      await fs.mkdir(dirname(join(folder, path)), { recursive: true });
      await fs.writeFile(join(folder, path), text);
    }
    const elf = await build(folder, board.name, signal, {
      CFLAGS: '-fcallgraph-info=su',
      LDFLAGS: '-Wl,--no-gc-sections',
    });
    const out = dirname(elf);
    const graphs = (await fs.readdir(out, { recursive: true })).filter(path => path.endsWith('.ci')).sort();
    const pointers = store ? THROUGH_POINTERS_OF_STORE : THROUGH_POINTERS;
    const objects = await Promise.all(graphs.map(path => compiled(out, join(out, path), pointers)));
    const bare = objects.flatMap(({ functions }) => Object.keys(functions).map(name => name.split(':').at(-1) ?? ''));
    const linked = readElf(await fs.readFile(elf));
    return {
      objects,
      library: await libraryFunctions(elf, new Set(bare)),
      protocol: linked.words('tt_linked_protocol')[0] ?? 0,
      store: store ? (linked.words('tt_linked_store')[0] ?? 0) : 0,
    };
  });
}

/**
 * Creates the tables of the board that a folder describes: builds a firmware with every kernel for it, without and with a store if it has one, and takes frame,
 * callees and size of each function from GCC's call graph and stack usage. Needs the Arm compiler and make.
 */
export async function makeTables(boardFolder: string, signal?: AbortSignal): Promise<Tables> {
  const board: Board = call(() => native().boardIn(boardFolder));
  const compiler = await requireTool('compiler');
  const model = await loadModel();
  const data = await defaultImages(model.input, { trainPerClass: 1, testPerClass: 1 });
  const models = await Compiler.create(model, data);
  const builds = async (store: boolean): Promise<Builds> => {
    const one = async (variant: keyof typeof VARIANTS) =>
      buildAll(board, await models.fitted(VARIANTS[variant]), store, signal);
    const [whole, rows, replay] = await Promise.all([one('whole'), one('rows'), one('replay')]);
    return { whole, rows, replay };
  };
  return tablesOf(board, compiler, await builds(false), board.store && (await builds(true)));
}

/** In place of the memory that a firmware takes: what it takes of code is not known yet. */
function unknown({ name, flash, sram }: Board): MemoryTable {
  const region = ({ length }: { readonly length: number }) => ({ total: 0, available: length });
  return { target: name, sram: region(sram), flash: region(flash), stack: STACK, bound: 0, stackPath: [], items: [] };
}

/** A table as stored in a file. */
export function tableText(table: CoreTable | BoardTable): string {
  return `${JSON.stringify(table, null, 1)}\n`;
}

/** The files that contain a board's tables. */
export interface TableFiles {
  readonly board: Board;
  readonly compiler: string;
  /** `functions.json`, and `core.json` if there is no shipped table of the core or if that is for different code. */
  readonly files: ReadonlyMap<string, string>;
}

/** The files that a user's board needs: its own table, and that of the core unless the shipped one applies. */
export async function tableFiles(boardFolder: string, signal?: AbortSignal): Promise<TableFiles> {
  const { board, own, core } = await makeTables(boardFolder, signal);
  const shipped = call(() => native().coreTable(board.core));
  const files = new Map([['functions.json', tableText(own)]]);
  if (tableText(core) !== shipped) files.set('core.json', tableText(core));
  return { board, compiler: own.compiler, files };
}

/** Creates the tables of a user's board in its folder. */
export async function prepareBoard(boardFolder: string, signal?: AbortSignal): Promise<TableFiles> {
  return inOwnFolder(boardFolder, async own => {
    const found = await tableFiles(boardFolder, signal);
    await own.write(found.files, found.files.has('core.json') ? [] : ['core.json']);
    return found;
  });
}
