import type { StateRecord } from '../program/record.js';
import type { EmitInput } from './input.js';
import { banner, elements } from './text.js';

/** The C type of a trainable tensor's elements, and their bytes. */
const types: Readonly<Record<StateRecord['kind'], readonly [name: string, bytes: number]>> = {
  weights: ['int8_t', 1],
  residuals: ['uint8_t', 1],
  biases: ['int32_t', 4],
  headWeights: ['int16_t', 2],
  headBiases: ['int32_t', 4],
};

/** The members of `tt_state`, a line each. */
export function stateMembers(states: readonly StateRecord[]): string {
  const member = ({ kind, name, bytes }: StateRecord): string => {
    const [type, size] = types[kind];
    return `    _Alignas(4) ${type} ${name}[${bytes / size}];`;
  };
  return states.map(member).join('\n');
}

function read(view: DataView, type: string, at: number): number {
  if (type === 'int8_t') return view.getInt8(at);
  if (type === 'uint8_t') return view.getUint8(at);
  return type === 'int16_t' ? view.getInt16(at, true) : view.getInt32(at, true);
}

function initialArray(state: StateRecord, initial: Uint8Array): string {
  const [type, size] = types[state.kind];
  const view = new DataView(initial.buffer, initial.byteOffset + state.offset, state.bytes);
  const values = Array.from({ length: state.bytes / size }, (_, i) => read(view, type, i * size));
  return `_Alignas(4) static const ${type} ${state.name}[${values.length}] = {\n${elements(values)}\n};\n`;
}

/** `model/state.c`: what the trainable state starts as. */
export function stateFile({ record, data, version }: EmitInput): string {
  const filled = record.states.filter(state => state.init === 'bytes');
  const copies = filled.map(({ name }) => `    memcpy(state->${name}, ${name}, sizeof ${name});`);
  return `${banner('What the trainable state starts as, in flash.', version)}
#include <string.h>

#include "steps.h"

${filled.map(state => initialArray(state, data.initialState)).join('\n')}
void tt_initial_state(tt_state *state)
{
    memset(state, 0, sizeof *state);
${copies.join('\n')}
}
`;
}
