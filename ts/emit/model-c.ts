import { pixelTableCount } from '../data/input.js';
import { TinytrainError } from '../errors.js';
import type { ProgramRecord, StepRecord } from '../program/record.js';
import { arenaPointer, type ParameterNames, stepCall } from './calls.js';
import type { EmitInput, Fields, KernelFields } from './input.js';
import { cKernel } from './kernels.js';
import { linkedTable } from './linked.js';
import { banner, elements, wrap } from './text.js';

/** Parameters of kernels as constants in flash, by their name in C; equal ones are one. */
class Parameters {
  readonly #header: string;
  readonly #texts = new Map<string, string>();
  readonly #names = new Map<string, string>();

  /** `header`: tt_kernels.h, which says in what order the fields stand. */
  constructor(header: string) {
    this.#header = header;
  }

  /** The names of a step's parameters; empty where it has none. */
  of(step: StepRecord, index: number): ParameterNames {
    const kernel = step.kernel as KernelFields;
    const { params } = cKernel(kernel);
    const label = step.label.replace(/[^a-z0-9]+/gi, '_');
    const name = (type: string | undefined, fields: object | undefined, what: string): string =>
      type && fields ? this.#name(type, fields as Fields, `${label}${what}`, index) : '';
    return {
      params: name(params, kernel.p, ''),
      update: name('tt_update_params', kernel.u, '_update'),
      layer: name('tt_real31', kernel.layer, '_input'),
      weightRate: name('tt_real31', kernel.weight_q, '_weights'),
      biasRate: name('tt_real31', kernel.bias_q, '_biases'),
    };
  }

  /** All of them. */
  toString(): string {
    return [...this.#texts].map(([name, text]) => text.replace('NAME', name)).join('\n');
  }

  #name(type: string, fields: Fields, wanted: string, index: number): string {
    const text = definition(type, fields, this.#header);
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    const name = this.#texts.has(wanted) || !/\d/.test(wanted) ? `${wanted}_${index}` : wanted;
    this.#texts.set(name, text);
    this.#names.set(text, name);
    return name;
  }
}

/** The fields of a struct, in order. */
function structFields(header: string, type: string): string[] {
  const end = header.indexOf(`} ${type};`);
  const body = header.slice(header.lastIndexOf('{', end) + 1, end).replace(/\/\*.*?\*\//gs, '');
  return [...body.matchAll(/\w+(?=[,;])/g)].map(([name]) => name);
}

function definition(type: string, p: Fields, header: string): string {
  const names = structFields(header, type);
  if (names.length !== Object.keys(p).length || names.some(name => p[name] === undefined)) {
    throw new TinytrainError('INTERNAL', `${type} in C has not the fields of the Program's`);
  }
  const unsigned = (name: string) => (type === 'tt_real31' && name === 'm' ? 'u' : '');
  const fields = names.map(name => `.${name} = ${p[name]}${unsigned(name)}`);
  return wrap(`static const ${type} NAME = {`, fields, '};', 4);
}

function size(p: Fields, names: readonly [string, string, string]): string {
  return names.map(name => p[name] ?? '?').join('x');
}

/** What a person wants to know of a step. */
function shapes({ name, depthwise, p, pixels, channels, classes }: KernelFields): string {
  if (name === 'biasStep') return `${pixels} pixels of ${channels} channels`;
  if (!p) return classes === undefined ? '' : `${classes} classes`;
  if ('kh' in p) {
    const inputs = p['in_c'] === undefined ? (['in_h', 'in_w', 'c'] as const) : (['in_h', 'in_w', 'in_c'] as const);
    const outputs =
      p['in_c'] === undefined ? (['out_h', 'out_w', 'c'] as const) : (['out_h', 'out_w', 'out_c'] as const);
    const kind = `${depthwise ? 'depthwise ' : ''}${p['kh']}x${p['kw']}${(p['stride_h'] ?? 1) > 1 ? ` stride ${p['stride_h']}` : ''}`;
    return `${kind}, ${size(p, inputs)} -> ${size(p, outputs)}`;
  }
  if ('features' in p) return `${p['features']} features, ${p['classes']} classes`;
  if ('h' in p) return size(p, ['h', 'w', 'c']);
  return 'pixels' in p ? `${p['pixels']} pixels of ${p['c']} channels` : `${p['n']} values`;
}

function stepText(record: ProgramRecord, index: number, parameters: Parameters): string {
  const step = record.steps[index];
  if (!step) return '';
  const comment = `    /* ${index}: ${step.label}, ${shapes(step.kernel as KernelFields)} */`;
  return `${comment}\n${stepCall(record, step, parameters.of(step, index))}`;
}

/** Steps `from` up to `to`; with marks, one before each and one behind the last. */
function steps({ record, marks }: EmitInput, from: number, to: number, parameters: Parameters): string {
  const mark = (step: number) => (marks ? [`    tt_mark(${step});`] : []);
  const texts = Array.from({ length: to - from }, (_, i) => [
    ...mark(from + i),
    stepText(record, from + i, parameters),
  ]);
  return [...texts.map(lines => lines.join('\n')), ...mark(to)].join('\n\n');
}

function headScale(kernel: KernelFields): string {
  const { cap, pre, m, s } = kernel.scale ?? { cap: 1, pre: 0, m: 0, s: 1 };
  if (!Number.isSafeInteger(cap)) throw new TinytrainError('INTERNAL', `the logit cap ${cap} is not exact`);
  return `static const tt_logit_scale head_scale = {.cap = UINT64_C(${cap}), .pre = ${pre}, .m = ${m}u, .s = ${s}};`;
}

/** Where the head's logits and its error lie. */
function headPlaces(record: ProgramRecord): {
  readonly logits: string;
  readonly error: string;
  readonly kernel: KernelFields;
} {
  const step = record.steps[record.forward - 1];
  const kernel = step?.kernel as KernelFields | undefined;
  const error = step?.args[1];
  if (
    !record.logits ||
    kernel?.name !== 'headError' ||
    error === undefined ||
    error === 'none' ||
    !('write' in error)
  ) {
    throw new TinytrainError('INTERNAL', 'the forward pass does not end with the error of a head');
  }
  return {
    logits: arenaPointer(record.logits.offset, 'int64'),
    error: arenaPointer(error.write.offset, 'int16'),
    kernel,
  };
}

function pixelTables({ pixelTables: tables }: EmitInput, count: number): string {
  if (count === 0) return '';
  const rows = tables.slice(0, count).map(values => `    {\n${elements(values)}\n    },`);
  return `\nconst int8_t tt_pixel_table[${count}][256] = {\n${rows.join('\n')}\n};\n`;
}

function hashBytes(hash: string): string {
  return elements(Array.from({ length: 32 }, (_, i) => Number.parseInt(hash.slice(2 * i, 2 * i + 2), 16)));
}

/** Locals that a part of the program needs: only those that its text uses, as an unused one is a warning. */
function locals(body: string): string {
  const lines = ['    int8_t *const volatile a = tt->arena;'];
  if (/\bs->/.test(body)) lines.push('    tt_state *const volatile s = &tt->state;');
  return lines.join('\n');
}

/** The backward pass of a program: at least the head learns. */
function backward(input: EmitInput, parameters: Parameters): string {
  const { record } = input;
  const body = steps(input, record.forward, record.steps.length, parameters);
  const update = /&u\b/.test(body)
    ? '    tt_update u;\n    u.lr = rate;\n    u.k = k;\n    u.step = tt->counters.steps;\n    u.seed = TT_SEED;\n'
    : '';
  return `TT_PART uint32_t tt_backward(tt_context *tt, tt_real31 rate, int32_t k)
{
${locals(body)}
    uint32_t saturated = 0;
${update}
${body}

    return saturated;
}`;
}

/** `model/model.c`: the Program, a call a step. */
export function modelFile(input: EmitInput): string {
  const { record, version } = input;
  const parameters = new Parameters(input.sources.get('kernels/tt_kernels.h') ?? '');
  const { logits, error, kernel } = headPlaces(record);
  const forwardBody = steps(input, 0, record.forward - 1, parameters);
  const backwardText = backward(input, parameters);
  return `${banner(
    `The steps of ${record.name}, in order of execution: forward, head, backward and update.
 * Numbers behind \`a +\` are bytes of the arena, as planned; \`s->\` is the trainable state.`,
    version,
  )}
#include "tt_kernels.h"
#include "steps.h"
${input.marks ? '#include "marks.h"\n' : ''}#include "weights.h"

const uint8_t tt_program_hash[32] = {
${hashBytes(record.hash)}
};
${pixelTables(input, pixelTableCount(input.pixelTables))}
/* Parameters of the kernels. */

${parameters}

${headScale(kernel)}

TT_PART void tt_forward(tt_context *tt)
{
${locals(forwardBody)}

${forwardBody}
}

TT_PART void tt_scores(tt_context *tt, tt_head_result *result)
{
    int8_t *const a = tt->arena;
    tt_softmax_scores(TT_CLASSES, &head_scale, ${logits}, result);
}

TT_PART void tt_error(tt_context *tt, uint32_t label, tt_head_result *result)
{
    int8_t *const a = tt->arena;
    tt_head_error(TT_CLASSES, &head_scale, (int32_t)label, ${logits}, ${error}, result);
}

${backwardText}

${linkedTable(record)}`;
}
