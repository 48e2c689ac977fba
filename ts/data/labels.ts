import { promises as fs } from 'node:fs';
import { join, normalize, sep } from 'node:path';
import { fileError, systemCode, TinytrainError } from '../errors.js';
import { labelsFile } from './kind.js';
import { type Split, splitOf } from './split.js';

/** A line of a list: a file, its class, and its split if the list says it. */
export interface LabelLine {
  readonly path: string;
  readonly class: string;
  readonly split?: Split | undefined;
}

/** Most bytes of a list. */
const MOST_BYTES = 2 ** 26;

const columns = {
  file: ['file', 'filename', 'file_name', 'path', 'name', 'image', 'recording', 'sample'],
  class: ['label', 'class', 'category', 'target'],
  split: ['split', 'set', 'subset'],
};

function broken(path: string, why: string): TinytrainError {
  return new TinytrainError('DATA_LAYOUT', `${path}: ${why}`, {
    path,
    help: [
      'expected: a first line `file,label` or `file,label,split`, then a line for each file, relative to this one',
    ],
  });
}

/** The cells of a line; a cell in double quotes may contain commas, and double quotes if they are doubled. */
export function cellsOf(line: string): string[] {
  const cells: string[] = [];
  const cell = /\s*(?:"((?:[^"]|"")*)"|([^,]*?))\s*(,|$)/gy;
  for (let at = 0; at <= line.length; at = cell.lastIndex) {
    cell.lastIndex = at;
    const found = cell.exec(line);
    if (!found) break;
    cells.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? '');
    if (found[3] === '') break;
  }
  return cells;
}

/** The columns of file, class and split; undefined unless the first line names the first two. */
function columnsOf(first: string): { file: number; class: number; split: number } | undefined {
  const names = cellsOf(first).map(name => name.toLowerCase());
  const find = (wanted: readonly string[]) => names.findIndex(name => wanted.includes(name));
  const found = { file: find(columns.file), class: find(columns.class), split: find(columns.split) };
  return found.file >= 0 && found.class >= 0 ? found : undefined;
}

function parse(path: string, folder: string, lines: readonly string[]): LabelLine[] {
  const places = columnsOf(lines[0] ?? '');
  if (!places) throw broken(path, 'its first line does not name the columns of file and label');
  const seen = new Set<string>();
  return lines.slice(1).flatMap((line, i): LabelLine[] => {
    if (line.trim() === '') return [];
    const at = `${path}: line ${i + 2}`;
    const cells = cellsOf(line);
    const [file = '', name = ''] = [cells[places.file], cells[places.class]];
    if (file === '' || name === '') throw broken(at, `has no ${file === '' ? 'file' : 'label'}`);
    const inside = normalize(file);
    if (inside.startsWith('..') || inside.startsWith(sep)) throw broken(at, `${file} is not in the folder`);
    if (seen.has(inside)) throw broken(at, `${file} is listed twice`);
    seen.add(inside);
    const word = places.split < 0 ? '' : (cells[places.split] ?? '');
    const split = word === '' ? undefined : splitOf(word);
    if (word !== '' && split === undefined) throw broken(at, `${word} is none of train, validation and test`);
    return [{ path: join(folder, inside), class: name, split }];
  });
}

/**
 * The list of files and labels in a folder, `labels.csv`; undefined if there is none. With `asked`, a file of this name that is no such list is an error;
 * otherwise it is passed over. Throws `DATA_LAYOUT`, `FILE_ERROR`.
 */
export async function readLabels(folder: string, asked: boolean): Promise<readonly LabelLine[] | undefined> {
  const path = join(folder, labelsFile);
  let text: string;
  try {
    const found = await fs.stat(path);
    if (!found.isFile()) return undefined;
    if (found.size > MOST_BYTES) throw broken(path, `its ${found.size} bytes are too many for a list of labels`);
    text = await fs.readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error instanceof TinytrainError ? error : fileError(error, path, 'cannot be read');
  }
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\r|\n/);
  if (!asked && !columnsOf(lines[0] ?? '')) return undefined;
  return parse(path, folder, lines);
}
