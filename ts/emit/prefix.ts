/** What names begin with if nobody says otherwise. */
export const ownPrefix = 'tt';

/** A name, also behind the compiler's `-D`. */
const NAME = /(?<=\b|-D)(tt|TT)_\w+/g;
/** Files of the board and of its linker script. */
const BOARD = 'board/';
/** Interfaces that a model uses and others implement: the same for all models of an image. */
const SHARED = ['store/tt_flash.h', 'app/port.h'];

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
