import type { Table } from './rows.js';

/** Most columns of a table. */
const MOST_COLUMNS = 2 ** 16;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

function separatorOf(line: string): string | RegExp {
  for (const separator of [',', ';', '\t']) if (line.includes(separator)) return separator;
  return /\s+/;
}

/** Lines that are not empty and no comments, with their numbers. */
function* linesOf(text: string): Generator<readonly [number, string]> {
  let number = 0;
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf('\n', at);
    const end = found < 0 ? text.length : found;
    const line = text.slice(at, end).trim();
    at = end + 1;
    number++;
    if (line !== '' && !line.startsWith('#')) yield [number, line];
  }
}

/**
 * Reads a table of numbers: a row a line, separated by commas, semicolons, tabs or spaces; a first line that is not all numbers names the columns; lines that
 * begin with # are comments. Throws an error whose message says what is wrong in which line.
 */
export function readCsv(bytes: Buffer): Table {
  const text = bytes.toString('utf8').replace(/^\ufeff/, '');
  let separator: string | RegExp = ',';
  let columns = 0;
  let rows = 0;
  const values: number[] = [];
  for (const [number, line] of linesOf(text)) {
    if (columns === 0) separator = separatorOf(line);
    const cells = line.split(separator, MOST_COLUMNS + 1);
    if (cells.length > MOST_COLUMNS) throw new Error(`line ${number} has more than ${MOST_COLUMNS} columns`);
    const named = columns === 0 && cells.some(cell => !NUMBER.test(cell.trim()));
    if (columns === 0) columns = cells.length;
    if (named) continue;
    if (cells.length !== columns)
      throw new Error(`line ${number} has ${cells.length} columns, the first one has ${columns}`);
    for (const [i, cell] of cells.entries()) {
      const word = cell.trim();
      if (!NUMBER.test(word))
        throw new Error(`line ${number}, column ${i + 1}: ${JSON.stringify(word.slice(0, 20))} is not a number`);
      values.push(Number(word));
    }
    rows++;
  }
  if (rows === 0) throw new Error('there are no numbers in it');
  return { rows, rowLength: columns, columns, values: Float64Array.from(values) };
}
