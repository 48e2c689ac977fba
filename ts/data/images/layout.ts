import { type Dirent, promises as fs } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { fileError, TinytrainError } from '../../errors.js';
import { type Split, splitOf, splits } from '../split.js';

/** An image on disk and its class. */
export interface LabelledFile {
  readonly path: string;
  /** Index into the classes. */
  readonly label: number;
}

/** The layout of a folder of images on disk. */
export interface Layout {
  /** Sorted by name, bytewise. */
  readonly classes: readonly string[];
  /** The images of each split, in order of class and name; only `all` if the folder is not split. */
  readonly files: Readonly<Partial<Record<Split | 'all', readonly LabelledFile[]>>>;
}

/** Extensions of files that often accompany images. */
const SIDECARS = new Set(['.txt', '.md', '.json', '.csv', '.tsv', '.xml', '.yaml', '.yml', '.html', '.db', '.ini']);
const MAX_CLASSES = 1000;

interface Entries {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

async function isFolder(entry: Dirent, path: string): Promise<boolean> {
  return entry.isSymbolicLink() ? (await fs.stat(path)).isDirectory() : entry.isDirectory();
}

/** Folders and possible images in a folder, sorted; hidden files and sidecars are ignored. */
async function entriesOf(folder: string): Promise<Entries> {
  try {
    const found = (await fs.readdir(folder, { withFileTypes: true })).filter(entry => !entry.name.startsWith('.'));
    const entries: { folders: string[]; files: string[] } = { folders: [], files: [] };
    for (const entry of found) {
      if (await isFolder(entry, join(folder, entry.name))) entries.folders.push(entry.name);
      else if (!SIDECARS.has(extname(entry.name).toLowerCase())) entries.files.push(entry.name);
    }
    return { folders: entries.folders.sort(bytewise), files: entries.files.sort(bytewise) };
  } catch (error) {
    throw fileError(error, folder, 'cannot be read');
  }
}

function mixedUp(folder: string, what: string, help: string): TinytrainError {
  return new TinytrainError('DATA_LAYOUT', `${folder}: ${what}`, { path: folder, help: [help] });
}

const LAYOUT = 'one folder of images per class, or train/ (and test/, validation/) with such folders in each';

/** Image folders of one class each, as a map from class to paths. */
async function classFolders(folder: string, entries: Entries): Promise<Map<string, string[]>> {
  if (entries.files[0] !== undefined) {
    throw mixedUp(
      folder,
      `${entries.files[0]} is beside the class folders and belongs to no class`,
      `expected: ${LAYOUT}`,
    );
  }
  const classes = new Map<string, string[]>();
  for (const name of entries.folders) {
    const path = join(folder, name);
    const { folders, files } = await entriesOf(path);
    if (folders[0] !== undefined) {
      throw mixedUp(path, `the class folder contains another folder, ${folders[0]}`, `expected: ${LAYOUT}`);
    }
    if (files.length === 0) {
      throw new TinytrainError('CLASS_EMPTY', `${path}: the class has no images`, {
        path,
        class: name,
        help: ['add images or remove the folder'],
      });
    }
    classes.set(
      name,
      files.map(file => join(path, file)),
    );
  }
  return classes;
}

function checkClasses(folder: string, classes: readonly string[]): void {
  if (classes.length < 2) {
    const found = classes.length === 0 ? 'no class folder' : `only one class, ${classes[0]}`;
    throw new TinytrainError('CLASSES_TOO_FEW', `${folder}: ${found}; at least two are needed`, {
      path: folder,
      classes,
      help: [`expected: ${LAYOUT}`],
    });
  }
  if (classes.length > MAX_CLASSES) {
    throw new TinytrainError('CLASSES_TOO_MANY', `${folder}: ${classes.length} classes; at most ${MAX_CLASSES}`, {
      path: folder,
      classes: classes.length,
    });
  }
}

function labelled(folder: string, found: Map<string, string[]>, classes: readonly string[]): LabelledFile[] {
  const unknown = [...found.keys()].find(name => !classes.includes(name));
  if (unknown !== undefined) {
    throw mixedUp(
      folder,
      `class ${unknown} is not among the classes of train/`,
      `the classes of train/ are: ${classes.join(', ')}`,
    );
  }
  return classes.flatMap((name, label) => (found.get(name) ?? []).map(path => ({ path, label })));
}

/** A folder named `train` that contains folders is a split; one that contains images is a class, of trains. */
async function isSplit(folder: string, entries: Entries): Promise<boolean> {
  const found = entries.folders.find(name => splitOf(name) === 'train');
  if (found === undefined) return false;
  const inside = await entriesOf(join(folder, found));
  return inside.folders.length > 0 || inside.files.length === 0;
}

async function splitLayout(folder: string, entries: Entries): Promise<Layout> {
  const stray = entries.folders.find(name => splitOf(name) === undefined) ?? entries.files[0];
  if (stray !== undefined) {
    throw mixedUp(folder, `${stray} is beside train/`, `beside train/ only test/ and validation/ are expected`);
  }
  const found = new Map<Split, { path: string; classes: Map<string, string[]> }>();
  for (const name of entries.folders) {
    const path = join(folder, name);
    const split = splitOf(name) ?? 'train';
    const twin = found.get(split);
    if (twin) throw mixedUp(folder, `${basename(twin.path)}/ and ${name}/ are both the ${split} split`, 'keep one');
    found.set(split, { path, classes: await classFolders(path, await entriesOf(path)) });
  }
  const classes = [...(found.get('train')?.classes.keys() ?? [])].sort(bytewise);
  checkClasses(join(folder, 'train'), classes);
  if (found.size === 1) {
    throw mixedUp(
      folder,
      'there is only train/, and nothing for measuring the accuracy',
      'add test/, or put the class folders directly into the folder to have them split',
    );
  }
  const files: Partial<Record<Split, LabelledFile[]>> = {};
  for (const split of splits) {
    const part = found.get(split);
    if (part) files[split] = labelled(part.path, part.classes, classes);
  }
  return { classes, files };
}

/** Finds the classes and images of a folder. */
export async function readLayout(folder: string): Promise<Layout> {
  const entries = await entriesOf(folder);
  if (await isSplit(folder, entries)) return splitLayout(folder, entries);
  // Class folders under `test` alone would be taken for images of a class `test`; report what is missing instead.
  const split = entries.folders.find(name => splitOf(name) !== undefined && splitOf(name) !== 'train');
  if (split !== undefined && (await entriesOf(join(folder, split))).folders.length > 0) {
    throw mixedUp(folder, `there is ${split}/ but no train/`, `expected: ${LAYOUT}`);
  }
  if (entries.folders.length === 0) checkClasses(folder, []);
  const found = await classFolders(folder, entries);
  const classes = [...found.keys()];
  checkClasses(folder, classes);
  return { classes, files: { all: labelled(folder, found, classes) } };
}
