import { TinytrainError } from '../errors.js';

const KERNELS = 'kernels/';

/** Names of the files that a C file includes with quotation marks. */
function includes(text: string): string[] {
  return [...text.matchAll(/^#include "(\w+)\.h"/gm)].map(([, name]) => name ?? '');
}

function definesFunction(text: string, name: string): boolean {
  return new RegExp(`^(?:[a-z]\\w* \\*?)+${name}\\([^;{]*\\)\\n?\\{`, 'm').test(text);
}

function definition(sources: ReadonlyMap<string, string>, name: string): string {
  const found = [...sources].find(([path, text]) => path.endsWith('.c') && definesFunction(text, name));
  if (!found) throw new TinytrainError('INTERNAL', `no source defines ${name}`);
  return found[0];
}

/** The kernel files that some functions need: where they are defined, and by way of headers whatever those use. */
export function kernelFiles(all: ReadonlyMap<string, string>, functions: Iterable<string>): string[] {
  const sources = new Map([...all].filter(([path]) => path.startsWith(KERNELS)));
  const found = new Set<string>();
  const add = (path: string): void => {
    const text = sources.get(path);
    if (text === undefined || found.has(path)) return;
    found.add(path);
    for (const name of includes(text)) {
      add(`${KERNELS}${name}.h`);
      add(`${KERNELS}${name}.c`);
    }
  };
  for (const name of functions) add(definition(sources, name));
  return [...found].sort();
}
