import type { SampleSet } from '../data/dataset.js';
import { TinytrainError } from '../errors.js';
import type { Model } from '../model/model.js';
import type { HeadRow } from '../native.js';
import { options as all, checkOptions, optionTable } from '../options.js';
import { type CompileOptions, Compiler } from './compiler.js';
import { checkModelOf } from './model.js';
import type { Program } from './program.js';
import type { StateRecord } from './record.js';

const isHead = ({ kind }: StateRecord) => kind === 'headWeights' || kind === 'headBiases';

/** The weights with which each class of a Program's head starts, in order of the classes. */
function headRows(program: Program): HeadRow[] {
  const state = program.initialState();
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  const { states } = program.record;
  const weights = states.find(({ kind }) => kind === 'headWeights');
  const biases = states.find(({ kind }) => kind === 'headBiases');
  if (!weights || !biases) return [];
  const features = weights.length / biases.length;
  const weight = (i: number) => view.getInt16(weights.offset + 2 * i, true);
  return Array.from({ length: biases.length }, (_, c) => ({
    weights: Int16Array.from({ length: features }, (_, f) => weight(c * features + f)),
    bias: view.getInt32(biases.offset + 4 * c, true),
  }));
}

/**
 * The state at the start of a Program with that of another one in the place of every tensor but the head's. Both are of the same model and scheme; counts
 * of classes go to the first ones of as many or more.
 */
function withBackboneOf(other: Program, program: Program): Uint8Array {
  const [from, state] = [other.initialState(), program.initialState()];
  const own = new Map(program.record.states.map(record => [record.name, record]));
  for (const { name, kind, offset, bytes } of other.record.states.filter(record => !isHead(record))) {
    const to = own.get(name);
    if (!to) continue;
    const lists = kind === 'replayCounts' ? 2 : 1;
    for (let i = 0; i < lists; i++) {
      const [start, end] = [i, i + 1].map(n => offset + (n * bytes) / lists);
      state.set(from.subarray(start, end), to.offset + (i * to.bytes) / lists);
    }
  }
  return state;
}

type GrowOptions = Pick<CompileOptions, 'threads' | 'signal'>;
const growOptions = optionTable<GrowOptions>({ threads: all.threads, signal: all.signal });

/**
 * The Program of the same model and scheme for more classes: those of `data` begin with its own. Everything that it starts with stays as it is, bit for
 * bit; a new class starts as a class of a fresh head does. Gradients are calibrated anew on `data`. Throws `MODEL_DIFFERS` for another model,
 * `CLASSES_DIFFER` for other classes, `BUDGET_EXCEEDED` or `BOARD_TOO_SMALL` if the larger head does not fit the Program's limits.
 */
export async function grow(
  program: Program,
  model: Model,
  data: SampleSet,
  options: GrowOptions = {},
): Promise<Program> {
  checkOptions(growOptions, options);
  const { threads, signal } = options;
  checkModelOf(program, model);
  const { classes, scheme, residualBits, seed, limits } = program;
  if (classes.some((name, i) => data.classes[i] !== name)) {
    throw new TinytrainError('CLASSES_DIFFER', 'the first classes of the samples are not those of the program', {
      found: data.classes,
      expected: classes,
      help: ['`withClasses(data, joinedClasses(program.classes, data.classes))` puts them in order'],
    });
  }
  const known = headRows(program);
  const rows = data.classes.map((_, i) => known[i] ?? null);
  const compiler = await Compiler.create(model, data, { seed, threads, rows, signal });
  const grown = await compiler.compile({ scheme, residualBits, signal, ...limits });
  return grown.withState({ family: grown.family, bytes: withBackboneOf(program, grown) });
}
