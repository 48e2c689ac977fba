import type { StateRecord } from '../program/record.js';
import type { EmitInput } from './input.js';
import { banner, elements, elementsOf, spans } from './text.js';

/** The members of `tt_state`, one line each. */
export function stateMembers(states: readonly StateRecord[]): string {
  return states.map(({ element, name, length }) => `    TT_ALIGN(4) ${element}_t ${name}[${length}];`).join('\n');
}

function initialValues({ element, offset, bytes }: StateRecord, initial: Uint8Array): ArrayLike<number> {
  return elementsOf(element, initial.subarray(offset, offset + bytes));
}

function initialArray(state: StateRecord, initial: Uint8Array): string {
  const { element, name, length } = state;
  const values = initialValues(state, initial);
  return `_Alignas(4) static const ${element}_t ${name}[${length}] = {\n${elements(values)}\n};\n`;
}

/** `model/state.c`: the initial trainable state. */
export function stateFile({ record, data, version }: EmitInput): string {
  const filled = record.states.filter(state => !state.zero);
  const copies = filled.map(({ name }) => `    memcpy(state->${name}, ${name}, sizeof ${name});`);
  return `${banner('The initial trainable state, in flash.', version)}
#include <string.h>

#include "steps.h"

${filled.map(state => initialArray(state, data.initialState)).join('\n')}
${spans(
  'tt_initial',
  filled.map(state => ({ ...state, values: initialValues(state, data.initialState) })),
)}
void tt_initial_state(tt_state *state)
{
    memset(state, 0, sizeof *state);
${copies.join('\n')}
}
`;
}
