import { type Dirent, promises as fs } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { fileError, systemCode, TinytrainError } from '../errors.js';
import type { SampleKind } from './kind.js';
import { readLabels } from './labels.js';
import { type Split, splitOf, splits } from './split.js';

/** A sample's file and its class. */
export interface LabelledFile {
  readonly path: string;
  /** Index into the classes. */
  readonly label: number;
}

/** The layout of a folder of samples on disk. */
export interface Layout {
  /** Sorted by name, bytewise. */
  readonly classes: readonly string[];
  /** The files of each split, in order of class and name; only `all` if the folder is not split. */
  readonly files: Readonly<Partial<Record<Split | 'all', readonly LabelledFile[]>>>;
}

const MAX_CLASSES = 1000;
/** What a Mac's archives hold beside the files: not the user's. */
const FOREIGN = new Set(['__MACOSX', '@eaDir', '$RECYCLE.BIN', 'System Volume Information']);

/** Folders and samples in a folder, sorted. */
export interface Entries {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** What an entry is, links followed. Throws for a link that leads nowhere, and for pipes, sockets and devices. */
async function natureOf(entry: Dirent, path: string): Promise<'folder' | 'file'> {
  let found: Pick<Dirent, 'isDirectory' | 'isFile'> = entry;
  if (entry.isSymbolicLink()) {
    try {
      found = await fs.stat(path);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw fileError(error, path, 'the link cannot be followed');
      const to = await fs.readlink(path).catch(() => 'nowhere');
      throw new TinytrainError('FILE_ERROR', `${path}: the link leads to ${to}, which does not exist`, { path, to });
    }
  }
  if (found.isDirectory()) return 'folder';
  if (found.isFile()) return 'file';
  throw new TinytrainError('FILE_ERROR', `${path}: it is neither a file nor a folder`, { path });
}

/** Folders and possible samples in a folder, sorted; hidden files, those that lie beside samples, and a system's own folders are passed over. */
export async function entriesOf(folder: string, kind: SampleKind): Promise<Entries> {
  let found: Dirent[];
  try {
    found = (await fs.readdir(folder, { withFileTypes: true })).filter(
      ({ name }) => !name.startsWith('.') && !FOREIGN.has(name),
    );
  } catch (error) {
    throw fileError(error, folder, 'cannot be read');
  }
  const entries: { folders: string[]; files: string[] } = { folders: [], files: [] };
  for (const entry of found) {
    if ((await natureOf(entry, join(folder, entry.name))) === 'folder') entries.folders.push(entry.name);
    else if (kind.role(entry.name) === 'sample') entries.files.push(entry.name);
  }
  return { folders: entries.folders.sort(bytewise), files: entries.files.sort(bytewise) };
}

function mixedUp(folder: string, what: string, help: string): TinytrainError {
  return new TinytrainError('DATA_LAYOUT', `${folder}: ${what}`, { path: folder, help: [help] });
}

const layoutText = ({ many }: SampleKind) =>
  `expected: one folder of ${many} per class, or train/ (and test/, validation/) with such folders in each`;

/** The files of each class. */
type Found = ReadonlyMap<string, readonly string[]>;

/** A folder that holds nothing but another folder with the classes: where the user meant to point. */
async function deeper(folder: string, { folders, files }: Entries, kind: SampleKind): Promise<string | undefined> {
  const [only] = folders;
  if (only === undefined || folders.length > 1 || files.length > 0) return undefined;
  const inside = await entriesOf(join(folder, only), kind);
  return inside.folders.length > 0 && inside.files.length === 0 ? join(folder, only) : undefined;
}

async function classFolder(path: string, name: string, kind: SampleKind): Promise<string[]> {
  const { folders, files } = await entriesOf(path, kind);
  if (folders[0] !== undefined) {
    throw mixedUp(path, `the class folder contains another folder, ${folders[0]}`, layoutText(kind));
  }
  if (files.length === 0) {
    throw new TinytrainError('CLASS_EMPTY', `${path}: the class has no ${kind.many}`, {
      path,
      class: name,
      help: [`add ${kind.many} or remove the folder`],
    });
  }
  return files.map(file => join(path, file));
}

/** The classes in a folder: its folders, or its files where each is a recording of one class. */
async function classesIn(folder: string, entries: Entries, kind: SampleKind): Promise<Found> {
  const { folders, files } = entries;
  if (kind.filesAreClasses && folders.length === 0) {
    const classes = new Map<string, string[]>();
    for (const file of files) {
      const name = basename(file, extname(file));
      classes.set(name, [...(classes.get(name) ?? []), join(folder, file)]);
    }
    return classes;
  }
  if (files[0] !== undefined) {
    throw mixedUp(folder, `${files[0]} is beside the class folders and belongs to no class`, layoutText(kind));
  }
  const classes = new Map<string, string[]>();
  for (const name of folders) classes.set(name, await classFolder(join(folder, name), name, kind));
  return classes;
}

async function checkClasses(folder: string, classes: readonly string[], kind: SampleKind): Promise<void> {
  if (classes.length < 2) {
    const found = classes.length === 0 ? 'no class folder' : `only one class, ${classes[0]}`;
    throw new TinytrainError('CLASSES_TOO_FEW', `${folder}: ${found}; at least two are needed`, {
      path: folder,
      classes,
      help: [layoutText(kind)],
    });
  }
  if (classes.length > MAX_CLASSES) {
    throw new TinytrainError('CLASSES_TOO_MANY', `${folder}: ${classes.length} classes; at most ${MAX_CLASSES}`, {
      path: folder,
      classes: classes.length,
    });
  }
}

function labelled(folder: string, found: Found, classes: readonly string[]): LabelledFile[] {
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

/** A folder named `train` that contains folders is a split; one that contains samples is a class, of trains, unless there is a list or a class per file. */
async function isSplit(folder: string, entries: Entries, kind: SampleKind): Promise<boolean> {
  const found = entries.folders.find(name => splitOf(name) === 'train');
  if (found === undefined) return false;
  const inside = await entriesOf(join(folder, found), kind);
  if (inside.folders.length > 0 || inside.files.length === 0) return true;
  if ((await readLabels(join(folder, found), false)) !== undefined) return true;
  return kind.filesAreClasses && entries.folders.every(name => splitOf(name) !== undefined);
}

/** The classes of the files in a list. */
function classesOfList(lines: readonly { readonly path: string; readonly class: string }[]): Found {
  const classes = new Map<string, string[]>();
  for (const { path, class: name } of lines) classes.set(name, [...(classes.get(name) ?? []), path]);
  return classes;
}

/** Splits that were found, each with its place, as a layout. */
async function splitLayout(
  folder: string,
  found: ReadonlyMap<Split, { readonly path: string; readonly classes: Found }>,
  kind: SampleKind,
): Promise<Layout> {
  const train = found.get('train');
  const classes = [...(train?.classes.keys() ?? [])].sort(bytewise);
  await checkClasses(train?.path ?? join(folder, 'train'), classes, kind);
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

async function foldersOfSplits(folder: string, entries: Entries, kind: SampleKind): Promise<Layout> {
  const stray = entries.folders.find(name => splitOf(name) === undefined) ?? entries.files[0];
  if (stray !== undefined) {
    throw mixedUp(folder, `${stray} is beside train/`, `beside train/ only test/ and validation/ are expected`);
  }
  const found = new Map<Split, { path: string; classes: Found }>();
  for (const name of entries.folders) {
    const path = join(folder, name);
    const split = splitOf(name) ?? 'train';
    const twin = found.get(split);
    if (twin) throw mixedUp(folder, `${basename(twin.path)}/ and ${name}/ are both the ${split} split`, 'keep one');
    const inside = await entriesOf(path, kind);
    const lines = inside.folders.length === 0 ? await readLabels(path, false) : undefined;
    found.set(split, { path, classes: lines ? classesOfList(lines) : await classesIn(path, inside, kind) });
  }
  return splitLayout(folder, found, kind);
}

/** The layout that a list of files and labels tells. */
async function listLayout(
  folder: string,
  lines: NonNullable<Awaited<ReturnType<typeof readLabels>>>,
  kind: SampleKind,
): Promise<Layout> {
  if (lines.some(({ split }) => split !== undefined)) {
    const found = new Map<Split, { path: string; classes: Found }>();
    for (const wanted of splits) {
      const own = lines.filter(({ split = 'train' }) => split === wanted);
      if (own.length > 0) found.set(wanted, { path: folder, classes: classesOfList(own) });
    }
    return splitLayout(folder, found, kind);
  }
  const found = classesOfList(lines);
  const classes = [...found.keys()].sort(bytewise);
  await checkClasses(folder, classes, kind);
  return { classes, files: { all: labelled(folder, found, classes) } };
}

/**
 * Finds the classes and samples of a folder: from a list (`labels.csv`), from folders of splits, or from class folders. Throws `DATA_LAYOUT`, `CLASS_EMPTY`,
 * `CLASSES_TOO_FEW`, `CLASSES_TOO_MANY`, `FILE_ERROR`.
 */
export async function readLayout(folder: string, kind: SampleKind): Promise<Layout> {
  const entries = await entriesOf(folder, kind);
  const split = await isSplit(folder, entries, kind);
  // Beside class folders, a file of that name may be anything; where files lie loose, only a list can say what they are.
  const lines = split ? undefined : await readLabels(folder, entries.folders.length === 0 && !kind.filesAreClasses);
  if (lines) return listLayout(folder, lines, kind);
  if (split) return foldersOfSplits(folder, entries, kind);
  // Class folders under `test` alone would be taken for samples of a class `test`; report what is missing instead.
  const other = entries.folders.find(name => splitOf(name) !== undefined && splitOf(name) !== 'train');
  if (other !== undefined && (await entriesOf(join(folder, other), kind)).folders.length > 0) {
    throw mixedUp(folder, `there is ${other}/ but no train/`, layoutText(kind));
  }
  const inside = await deeper(folder, entries, kind);
  if (inside !== undefined) {
    throw mixedUp(
      folder,
      `it contains only the folder ${basename(inside)}, in which the classes lie`,
      `point to ${inside}`,
    );
  }
  const found = await classesIn(folder, entries, kind);
  const classes = [...found.keys()].sort(bytewise);
  await checkClasses(folder, classes, kind);
  return { classes, files: { all: labelled(folder, found, classes) } };
}
