import type { ConstantRecord } from '../program/record.js';
import type { EmitInput } from './input.js';
import { banner, elements, spans } from './text.js';

/** The name of a constant in C. */
export function constName({ name }: ConstantRecord): string {
  return `tt_${name}`;
}

function declaration(constant: ConstantRecord): string {
  return `const ${constant.element}_t ${constName(constant)}[${constant.length}]`;
}

/** `model/weights.h` */
export function weightsHeader({ record, version }: EmitInput): string {
  return `${banner('Constants in flash: frozen weights, biases, multipliers.', version)}#ifndef TT_WEIGHTS_H
#define TT_WEIGHTS_H

#include <stdint.h>

${record.constants.map(constant => `extern ${declaration(constant)};`).join('\n')}

#endif
`;
}

/** `model/weights.c` */
export function weightsFile({ record, data, version }: EmitInput): string {
  const definition = (constant: ConstantRecord, i: number) =>
    `_Alignas(4) ${declaration(constant)} = {\n${elements(data.consts[i] ?? [])}\n};\n`;
  return `${banner('Constants in flash: frozen weights, biases, multipliers.', version)}#include "steps.h"
#include "weights.h"

${record.constants.map(definition).join('\n')}
${spans(
  'tt_constants',
  record.constants.map((constant, i) => ({
    name: constName(constant),
    element: constant.element,
    values: data.consts[i] ?? [],
  })),
)}`;
}
