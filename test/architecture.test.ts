import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import ts from 'typescript';

const root = fileURLToPath(new URL('../ts', import.meta.url));

/**
 * The folders that each folder of `ts/` may import, beside itself; `.` is the modules that lie in `ts/` itself. An arrow that is missing here is one that the design
 * does not have: think before adding it.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  cli: ['.', 'data', 'device', 'fleet', 'live', 'model', 'program', 'queue', 'report', 'search', 'train', 'worker'],
  data: ['.'],
  device: ['.', 'data', 'emit', 'model', 'program'],
  emit: ['.', 'data', 'program'],
  fleet: ['.', 'data', 'device', 'model', 'program', 'queue', 'train'],
  live: ['.'],
  model: ['.', 'data'],
  program: ['.', 'data', 'model'],
  queue: ['.', 'data'],
  report: ['.', 'data', 'device', 'model', 'program', 'search', 'train'],
  search: ['.', 'data', 'model', 'program', 'queue'],
  train: ['.', 'data', 'model', 'program'],
  worker: ['.', 'data', 'fleet', 'model', 'program', 'queue', 'search', 'train'],
};

/** Modules of `ts/` itself that stand above folders. All others are below every folder and import none of them. */
const above: Readonly<Record<string, readonly string[]>> = {
  'index.ts': ['data', 'device', 'fleet', 'model', 'program', 'queue', 'report', 'search', 'train', 'worker'],
  'origin.ts': ['data', 'model', 'program'],
  'require.cts': [],
  'web.ts': ['data', 'model', 'program', 'train'],
};

/** Modules that only some may import. */
const guarded: Readonly<Record<string, readonly string[]>> = {
  // The native side is loaded in one place.
  'addon.d.ts': ['host.browser.ts', 'load.cts', 'native.ts'],
  'load.cts': ['host.node.ts'],
  // The library is what users import, or require; nothing of its own does.
  'index.ts': ['require.cts'],
};

/** What the build of the addon makes beside the modules. */
const made = ['addon.d.ts', 'binding.cts'];

function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesOf(path);
    return /\.c?ts$/.test(entry.name) ? [relative(root, path).replaceAll('\\', '/')] : [];
  });
}

/** What stands for the machine under Node, and in a browser: `#host`. */
const [host, browserHost] = ['host.node.ts', 'host.browser.ts'];

/** All that a module imports, types included. */
function importedBy(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), 'utf8'), true, true);
  return importedFiles.map(({ fileName }) => fileName);
}

/** The modules of the package among them. */
function importsOf(file: string): string[] {
  return importedBy(file).flatMap(fileName => {
    if (fileName === '#host') return [host];
    if (!fileName.startsWith('.')) return [];
    const path = posix.join(posix.dirname(file), fileName).replace(/\.(c?)js$/, '.$1ts');
    return [path === 'addon.ts' ? 'addon.d.ts' : path];
  });
}

const files = filesOf(root);
const imports = new Map(files.map(file => [file, importsOf(file)]));
const folderOf = (file: string) => dirname(file).split(/[\\/]/)[0] ?? '.';
const edges = [...imports].flatMap(([from, all]) => all.map(to => ({ from, to })));

test('every import is of a module that is there', t => {
  t.true(files.length > 80 && edges.length > 300, 'the modules are found');
  const missing = edges.filter(({ to }) => !made.includes(to) && !files.includes(to));
  t.deepEqual(missing, []);
});

test('arrows between folders are those of the table', t => {
  const wrong = edges.filter(({ from, to }) => {
    const [own, other] = [folderOf(from), folderOf(to)];
    if (own === other) return false;
    if (own === '.') return !(above[from] ?? []).includes(other);
    return !(mayImport[own] ?? []).includes(other);
  });
  t.deepEqual(wrong, []);
});

test('the table has no arrow that no module needs', t => {
  const needed = new Set(edges.map(({ from, to }) => `${folderOf(from)} -> ${folderOf(to)}`));
  const idle = Object.entries(mayImport).flatMap(([from, all]) =>
    all.map(to => `${from} -> ${to}`).filter(arrow => !needed.has(arrow)),
  );
  t.deepEqual(idle, []);
});

test('what is below every folder imports nothing that stands above one', t => {
  const wrong = edges.filter(({ from, to }) => folderOf(from) === '.' && !(from in above) && to in above);
  t.deepEqual(wrong, []);
});

test('modules that are guarded are imported by those alone that may', t => {
  const wrong = edges.filter(({ from, to }) => to in guarded && !guarded[to]?.includes(from));
  t.deepEqual(wrong, []);
});

test('emission is pure: nothing native is within its reach', t => {
  const reached = new Set<string>();
  const reach = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const to of imports.get(file) ?? []) reach(to);
  };
  for (const file of files.filter(file => folderOf(file) === 'emit')) reach(file);
  t.true(reached.size > 10);
  t.false(reached.has('native.ts'));
});

test('what browsers get imports nothing of Node', t => {
  // Types alone, of this very module.
  const known = new Set([host]);
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (known.has(file)) return;
    known.add(file);
    const { outputText } = ts.transpileModule(readFileSync(join(root, file), 'utf8'), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ESNext, verbatimModuleSyntax: true },
    });
    for (const { fileName } of ts.preProcessFile(outputText, true, true).importedFiles) {
      if (fileName === '#host') visit(browserHost);
      else if (fileName.startsWith('.')) visit(posix.join(posix.dirname(file), fileName).replace(/\.(c?)js$/, '.$1ts'));
      else packages.add(fileName);
    }
  };
  visit('web.ts');
  t.true(known.size > 30);
  const allowed = ['@noble/hashes/sha2.js', '@noble/hashes/utils.js', 'tinytrain-wasm32-wasi', 'valibot'];
  t.deepEqual([...packages].sort(), allowed);
});

test('no circle of imports, types included', t => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    else if (!done.has(file)) {
      for (const to of imports.get(file) ?? []) visit(to, [...path, file]);
      done.add(file);
    }
  };
  for (const file of files) visit(file, []);
  t.deepEqual(circles, []);
});
