import { type FrontTable, rawBytes } from '../data/series/front.js';
import { thousands } from '../format.js';
import type { EmitInput } from './input.js';
import { banner, elements } from './text.js';

/** The sizes of a series for `model.h`. */
export function seriesLines({ series, record }: Pick<EmitInput, 'series' | 'record'>): string {
  if (!series) return '';
  const { columns, window, hop, front } = series;
  const bytes = rawBytes(series, record.input.bytes);
  const sizes: readonly (readonly [string, number, string])[] = [
    ['SERIES_COLUMNS', columns.length, 'columns of the recordings, to which the values of a row belong in turn'],
    ['ROW_VALUES', record.input.bytes / window, 'of a row'],
    ['WINDOW', window, 'rows of a sample'],
    ['HOP', hop, 'rows from one window to the next'],
    ...(front?.sizes.map(([name, value, what]) => [`${front.name.toUpperCase()}_${name}`, value, what] as const) ?? []),
  ];
  const lines = sizes.map(([name, value, what]) => `#define TT_${name} ${value}u /* ${what} */`);
  const sram = `a tt_series of ${thousands(bytes.ring)} B${front ? ` and a tt_${front.name} of ${thousands(bytes.front)} B` : ''}`;
  return `
/* Raw values as samples: see tt_series.h${front ? ` and tt_${front.name}.h` : ''}. Beside what the table above has, an application that takes them has ${sram} in SRAM, and
 * ${thousands(bytes.tables)} B of tables in flash. */
${lines.join('\n')}
`;
}

/** The C type of a table's elements. */
function typeOf(values: FrontTable['values']): string {
  if (values instanceof Int32Array) return 'int32_t';
  return values instanceof Int16Array ? 'int16_t' : 'uint16_t';
}

/** `model/series.c`: the tables of a series. */
export function seriesFile({ series, version }: Pick<EmitInput, 'series' | 'version'>): string {
  const { columns = [], front } = series ?? {};
  const rows = columns.map(({ factor, offset, shift }) => `    {${offset}, ${factor}, ${shift}},`);
  const tables = front?.tables.map(({ name, length, values }) => {
    const type = typeOf(values);
    return `\nconst ${type} tt_${front.name}_${name}[${length}] = {\n${elements(Array.from(values))}\n};\n`;
  });
  return `${banner('How raw values become int8, and what a frame of a sound is computed with.', version)}
#include "tt_front.h"
#include "tt_series.h"

const tt_column tt_columns[TT_SERIES_COLUMNS] = {
${rows.join('\n')}
};
${tables?.join('') ?? ''}`;
}
