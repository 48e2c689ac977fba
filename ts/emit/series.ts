import { rawBytes } from '../data/series/front.js';
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
    ...(front
      ? ([
          ['MEL_FRAME', front.length, 'values of a sound in a frame'],
          ['MEL_STRIDE', front.stride, 'values from one frame to the next'],
          ['MEL_POINTS', front.points, 'of the transform'],
          ['MEL_CHANNELS', front.channels, 'features of a frame'],
          ['MEL_FIRST', front.first, 'line of the spectrum'],
          ['MEL_LINES', front.weights.length, 'of the spectrum'],
        ] as const)
      : []),
  ];
  const lines = sizes.map(([name, value, what]) => `#define TT_${name} ${value}u /* ${what} */`);
  const sram = `a tt_series of ${thousands(bytes.ring)} B${front ? ` and a tt_mel of ${thousands(bytes.front)} B` : ''}`;
  return `
/* Raw values as samples: see tt_series.h${front ? ' and tt_mel.h' : ''}. Beside what the table above has, an application that takes them has ${sram} in SRAM, and
 * ${thousands(bytes.tables)} B of tables in flash. */
${lines.join('\n')}
`;
}

/** `model/series.c`: the tables of a series. */
export function seriesFile({ series, version }: Pick<EmitInput, 'series' | 'version'>): string {
  const { columns = [], front } = series ?? {};
  const rows = columns.map(({ factor, offset, shift }) => `    {${offset}, ${factor}, ${shift}},`);
  const table = (type: string, name: string, size: string, values: ArrayLike<number>) =>
    `\nconst ${type} tt_mel_${name}[${size}] = {\n${elements(Array.from(values))}\n};\n`;
  return `${banner('How raw values become int8, and what a frame of a sound is computed with.', version)}
#include "tt_series.h"
${front ? '#include "tt_mel.h"\n' : ''}
const tt_column tt_columns[TT_SERIES_COLUMNS] = {
${rows.join('\n')}
};
${
  front
    ? table('int32_t', 'window', '(TT_MEL_FRAME + 1) / 2', front.window) +
      table('int32_t', 'cosines', 'TT_MEL_POINTS / 4 + 1', front.cosines) +
      table('uint16_t', 'ends', 'TT_MEL_CHANNELS + 1', front.ends) +
      table('uint16_t', 'weights', 'TT_MEL_LINES', front.weights)
    : ''
}`;
}
