import { TinytrainError } from '../errors.js';

/** What names begin with if nobody says otherwise. */
export const ownPrefix = 'tt';

const LONGEST = 32;
/** A name, also behind the compiler's `-D`. */
const NAME = /(?<=\b|-D)(tt|TT)_\w+/g;
/** Files of the board and of its linker script. */
const BOARD = 'board/';
/** Interfaces that a model uses and others implement: the same for all models of an image. */
const SHARED = ['store/tt_flash.h', 'app/port.h'];

/** Throws `OPTION_INVALID` for what cannot begin the names of a C library. */
export function checkPrefix(prefix: string): void {
  if (/^[a-z][a-z0-9_]*$/.test(prefix) && prefix.length <= LONGEST && !prefix.endsWith('_')) return;
  throw new TinytrainError(
    'OPTION_INVALID',
    `prefix ${prefix}: expected a small letter, then small letters, digits and '_', ${LONGEST} at most`,
    { option: 'prefix', value: prefix },
  );
}

/** The names that a text in C mentions outside of its comments. */
function namesOf(text: string): string[] {
  return [...text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').matchAll(NAME)].map(([name]) => name);
}

/**
 * A firmware with other names, so that several models fit into one image: whatever is `tt_x`, `TT_X` or a file `tt_x.h` of the model becomes `prefix_x`,
 * `PREFIX_X` and `prefix_x.h`, and `model.h` becomes `prefix_model.h`. What an image has once keeps its name: the board, and the interface to a serial port.
 */
export function prefixed(files: ReadonlyMap<string, string>, prefix: string): Map<string, string> {
  if (prefix === ownPrefix) return new Map(files);
  const isShared = (path: string) => path.startsWith(BOARD) || SHARED.includes(path);
  const kept = new Set([...files].flatMap(([path, text]) => (isShared(path) ? namesOf(text) : [])));
  const renamed = (text: string) =>
    text
      .replace(NAME, (name, head: string) => {
        if (kept.has(name)) return name;
        return (head === 'tt' ? prefix : prefix.toUpperCase()) + name.slice(head.length);
      })
      .replace(/(?<=["`/])model\.h\b/g, `${prefix}_model.h`);
  return new Map(
    [...files].map(([path, text]) => (path.startsWith(BOARD) ? [path, text] : [renamed(path), renamed(text)])),
  );
}
