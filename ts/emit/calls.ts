import { TinytrainError } from '../errors.js';
import type { Argument, ProgramRecord, Slot, StepRecord } from '../program/record.js';
import type { KernelFields } from './input.js';
import { type CKernel, cKernel, type Pointee } from './kernels.js';
import { wrap } from './text.js';
import { constName } from './weights.js';

function slotOf(argument: Argument): Slot | undefined {
  if (argument === 'none' || 'const' in argument) return undefined;
  if ('read' in argument) return argument.read;
  if ('write' in argument) return argument.write;
  return 'update' in argument ? argument.update : argument.scratch;
}

/** A place in the arena as a pointer. */
export function arenaPointer(offset: number, to: Pointee): string {
  const place = `a + ${offset}`;
  if (to === 'int8' || to === 'void') return place;
  return to === 'uint8' ? `(uint8_t *)(${place})` : `(${to}_t *)(void *)(${place})`;
}

function statePointer({ states }: ProgramRecord, slot: Slot): string {
  const found = states.find(({ offset, bytes }) => offset === slot.offset && bytes === slot.bytes);
  if (!found) throw new TinytrainError('INTERNAL', `no trainable tensor lies at byte ${slot.offset} of the state`);
  return `s->${found.name}`;
}

function pointer(record: ProgramRecord, argument: Argument, to: Pointee): string {
  if (argument === 'none') return 'NULL';
  if ('const' in argument) {
    const constant = record.consts[argument.const];
    if (!constant) throw new TinytrainError('INTERNAL', `there is no constant ${argument.const}`);
    return constName(constant);
  }
  const slot = slotOf(argument);
  if (!slot) return 'NULL';
  return slot.region === 'state' ? statePointer(record, slot) : arenaPointer(slot.offset, to);
}

/** The pointers of a step, in the order of the kernel's parameters. */
export function pointers(record: ProgramRecord, step: StepRecord, { name, pointers: types }: CKernel): string[] {
  if (types.length !== step.args.length) {
    throw new TinytrainError('INTERNAL', `${step.label}: ${step.args.length} arguments for ${name}`);
  }
  return step.args.map((argument, i) => pointer(record, argument, types[i] ?? 'void'));
}

/** Names of the constants that a step's parameters became. */
export interface ParameterNames {
  readonly params: string;
  readonly update: string;
  readonly layer: string;
  readonly weightRate: string;
  readonly biasRate: string;
}

const needed = (value: number | undefined): string => String(value ?? 0);

/** The arguments of a kernel before its pointers. */
function scalars(kernel: KernelFields, names: ParameterNames): string[] {
  switch (kernel.name) {
    case 'convInputGrad':
      return [`&${names.params}`, needed(kernel.shift)];
    case 'convWeightStep':
      return [`&${names.params}`, '&u'];
    case 'biasStep':
      return [needed(kernel.pixels), needed(kernel.channels), '&u', names.layer];
    case 'headUpdate':
      return [`&${names.params}`, 'rate', 'k', names.weightRate, names.biasRate];
    default:
      return [`&${names.params}`];
  }
}

/** The lines of one step. */
export function stepCall(record: ProgramRecord, step: StepRecord, names: ParameterNames): string {
  const kernel = step.kernel as KernelFields;
  const c = cKernel(kernel);
  const head = `    ${c.counts ? 'saturated += ' : ''}${c.name}(`;
  const call = wrap(head, [...scalars(kernel, names), ...pointers(record, step, c)], ');', head.length);
  return kernel.u ? `    u.params = ${names.update};\n${call}` : call;
}
