import { TinytrainError } from '../errors.js';
import type { OperandRecord, ParamRecord, ProgramRecord, StepRecord } from '../program/record.js';
import { wrap } from './text.js';
import { constName } from './weights.js';

/** A place in the arena as a pointer to elements of a C type, given without `_t`; the offset is a number or a C expression. */
export function arenaPointer(offset: number | string, element: string): string {
  const place = `a + ${offset}`;
  if (element === 'int8' || element === 'void') return place;
  return element === 'uint8' ? `(uint8_t *)(${place})` : `(${element}_t *)(void *)(${place})`;
}

/** An entry of a list that the record names by index. */
function entry<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new TinytrainError('INTERNAL', `the record has no entry ${index}`);
  return found;
}

/** Whether an operand is a result that its kernel can do without: the mask, which only the backward pass needs. Scratch has no type of elements. */
export function makesMask(operand: OperandRecord): boolean {
  return operand.place === 'arena' && operand.written && operand.optional && operand.element !== 'void';
}

/** C expressions of the numbers of a call that are not those of its record. */
export interface Numbers {
  /** Fields of struct parameters, by the indices of parameter and field with a blank between them. */
  readonly fields: ReadonlyMap<string, string>;
  /** Parameters that are numbers, by index. */
  readonly params: ReadonlyMap<number, string>;
  /** Offsets in the arena, by the index of the operand. */
  readonly offsets: ReadonlyMap<number, string>;
}

const NO_NUMBERS: Numbers = { fields: new Map(), params: new Map(), offsets: new Map() };

/** A prediction writes no masks: nobody reads them. */
function pointer(record: ProgramRecord, operand: OperandRecord, offset: string | undefined): string {
  switch (operand.place) {
    case 'arena': {
      const place = arenaPointer(offset ?? operand.offset, operand.element);
      return makesMask(operand) ? `training ? ${place} : NULL` : place;
    }
    case 'state':
      return `s->${entry(record.states, operand.index).name}`;
    case 'constant':
      return constName(entry(record.constants, operand.index));
    case 'none':
      return 'NULL';
  }
}

/** A parameter as a C constant: its type and initialiser. */
interface Definition {
  readonly type: string;
  readonly text: string;
}

function definition(param: ParamRecord): Definition | undefined {
  const of = (type: string, fields: readonly string[]): Definition => ({
    type,
    text: wrap(`static const ${type} NAME = {`, fields, '};', 4),
  });
  switch (param.kind) {
    case 'struct':
    case 'update':
      return of(
        param.type,
        param.fields.map(([name, value]) => `.${name} = ${value}`),
      );
    case 'real':
      return of('tt_real31', [`.m = ${param.m}u`, `.e = ${param.e}`]);
    case 'logitScale':
      return of('tt_logit_scale', [
        `.cap = UINT64_C(${param.cap})`,
        `.pre = ${param.pre}`,
        `.m = ${param.m}u`,
        `.s = ${param.s}`,
      ]);
    case 'int':
    case 'given':
      return undefined;
  }
}

/** Parameters of kernels as constants in flash; equal ones are shared. */
export class Parameters {
  readonly #texts = new Map<string, string>();
  readonly #names = new Map<string, string>();

  /** The name of the constant for a parameter of step `index`; none for parameters passed by value. */
  name(step: StepRecord, index: number, param: ParamRecord): string | undefined {
    const found = definition(param);
    if (!found || param.kind === 'int' || param.kind === 'given') return undefined;
    const known = this.#names.get(found.text);
    if (known !== undefined) return known;
    const label = step.label.replaceAll(' ', '_');
    const wanted = `${label}_${param.name}`;
    const name = this.#texts.has(wanted) ? `${wanted}_${index}` : wanted;
    this.#texts.set(name, found.text);
    this.#names.set(found.text, name);
    return name;
  }

  /** All of them. */
  toString(): string {
    return [...this.#texts].map(([name, text]) => text.replace('NAME', name)).join('\n');
  }
}

/** The C expression of each value that changes from step to step, by its name in the kernel table. */
const given: Readonly<Record<string, string>> = { lr: 'rates->head', k: 'k', label: '(int32_t)label' };

/** A parameter as an argument, `name` being that of the constant it became. */
function argument(param: ParamRecord, name: string | undefined): string {
  switch (param.kind) {
    case 'int':
      return String(param.value);
    case 'given': {
      const expression = given[param.name];
      if (expression === undefined) throw new TinytrainError('INTERNAL', `no step is given a ${param.name}`);
      return expression;
    }
    case 'update':
      return '&u';
    case 'real':
      return name ?? '';
    case 'struct':
    case 'logitScale':
      return `&${name}`;
  }
}

/** Behind scratch its length in bytes. */
function room(operand: OperandRecord): readonly string[] {
  return operand.place === 'arena' && operand.element === 'void' ? [String(operand.bytes)] : [];
}

/** The arguments of a call: parameters, then pointers. A struct with a field that differs is a local of the parameter's name. */
export function callArguments(
  record: ProgramRecord,
  step: StepRecord,
  index: number,
  parameters: Parameters,
  numbers: Numbers = NO_NUMBERS,
): readonly string[] {
  const copied = new Set([...numbers.fields.keys()].map(key => Number(key.split(' ')[0])));
  const values = step.params.map(
    (param, p) =>
      numbers.params.get(p) ??
      (copied.has(p) && 'name' in param ? `&${param.name}` : argument(param, parameters.name(step, index, param))),
  );
  return [
    ...values,
    ...step.operands.flatMap((operand, o) => [pointer(record, operand, numbers.offsets.get(o)), ...room(operand)]),
  ];
}

/** How a step is printed. */
export interface CallStyle {
  /** Whether saturated elements are added up. */
  readonly counted: boolean;
  readonly indent?: number;
  readonly numbers?: Numbers;
}

/** The lines of one step. */
export function stepCall(
  record: ProgramRecord,
  step: StepRecord,
  index: number,
  parameters: Parameters,
  { counted, indent = 4, numbers = NO_NUMBERS }: CallStyle,
): string {
  const margin = ' '.repeat(indent);
  const head = `${margin}${step.saturates && counted ? 'saturated += ' : ''}${step.function}(`;
  const call = wrap(head, callArguments(record, step, index, parameters, numbers), ');', head.length);
  const update = step.params.find(param => param.kind === 'update');
  if (step.training) return `${margin}if (training)\n    ${call.replaceAll('\n', '\n    ')}`;
  return update ? `${margin}u.params = ${parameters.name(step, index, update)};\n${call}` : call;
}
