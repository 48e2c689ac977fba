import { promises as fs } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { SampleSet } from '../data/dataset.js';
import { defaultImages } from '../data/drawn/set.js';
import { loadImages } from '../data/images/folder.js';
import type { WorkOptions } from '../data/pool.js';
import type { Board, EmitBoard } from '../emit/board.js';
import { emit } from '../emit/emit.js';
import type { EmitInput } from '../emit/input.js';
import { type Manifest, manifestFormat } from '../emit/manifest.js';
import { elementsOf } from '../emit/text.js';
import { fileError, systemCode, TinytrainError } from '../errors.js';
import { makeFolder } from '../files.js';
import { loadModel, type Model } from '../model/model.js';
import { call, native } from '../native.js';
import { compile, type Program, targets } from '../program/program.js';
import { version } from '../version.js';
import { boardSources, deviceSources, kernelFlags } from './sources.js';

const MANIFEST = 'manifest.json';
/** What is the user's: written where it is missing, otherwise left alone. */
const THEIRS = 'app/';

/** What a firmware's Program was compiled from: enough to do it again. */
export interface FirmwareOrigin {
  readonly model: {
    readonly path: string;
    /** SHA-256 of the file. */
    readonly hash: string;
    readonly input: { readonly height: number; readonly width: number };
    readonly normalisation: { readonly mean: readonly number[]; readonly std: readonly number[] };
  };
  readonly data: { readonly source: string; readonly hash: string; readonly origin: SampleSet['origin'] | null };
  readonly scheme: string;
  readonly residualBits: number;
  readonly seed: number;
}

/** The manifest of a firmware folder. */
export interface FirmwareManifest extends Manifest {
  readonly origin: FirmwareOrigin & Readonly<Record<string, unknown>>;
}

function originOf({ model, scheme, residualBits, seed }: Program, data: SampleSet): FirmwareOrigin {
  const { height, width } = model.input;
  const { mean, std } = model.description.input;
  return {
    model: { path: resolve(model.path), hash: model.hash, input: { height, width }, normalisation: { mean, std } },
    data: { source: data.source, hash: data.hash, origin: data.origin ?? null },
    scheme,
    residualBits,
    seed,
  };
}

/** All that a firmware project is made from but what depends on its boards. */
export async function emitInput(
  program: Program,
  data: SampleSet,
): Promise<Omit<EmitInput, 'memory' | 'kernelFiles' | 'target' | 'boards'>> {
  const { record, model } = program;
  return {
    record,
    data: {
      consts: record.constants.map(({ element }, i) => elementsOf(element, program.constant(i))),
      initialState: program.initialState(),
    },
    pixelTables: model.input.tables,
    classNames: program.classes,
    origin: { ...originOf(program, data) },
    version,
    sources: await deviceSources(),
    kernelFlags,
  };
}

/** A Program as a firmware project for a board (a shipped one's name, or the path of a folder): path to content. */
export async function firmwareFiles(
  program: Program,
  data: SampleSet,
  target: string,
  { marks }: Pick<EmitInput, 'marks'> = {},
): Promise<ReadonlyMap<string, string>> {
  const board: Board = call(() => native().board(target));
  const input = await emitInput(program, data);
  return emit({
    ...input,
    sources: new Map([...input.sources, ...(await boardSources(board))]),
    memory: program.memoryOn(target),
    kernelFiles: program.kernelFiles(target),
    target: board.name,
    boards: boardsOf(program, target, board),
    marks,
  });
}

/** The target, and the board that QEMU emulates in its place, each with its own stack. */
function boardsOf(program: Program, target: string, board: Board): EmitBoard[] {
  const standIn: Board | null = call(() => native().standIn(target));
  const own = { board, stack: program.memoryOn(target).stack };
  if (!standIn || standIn.name === board.name) return [own];
  return [own, { board: standIn, stack: call(() => program.handle.standInStack(target)) ?? own.stack }];
}

async function exists(path: string): Promise<boolean> {
  return fs.access(path).then(
    () => true,
    () => false,
  );
}

async function readManifest(folder: string): Promise<FirmwareManifest | undefined> {
  const path = join(folder, MANIFEST);
  try {
    return JSON.parse(await fs.readFile(path, 'utf8')) as FirmwareManifest;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    if (error instanceof SyntaxError)
      throw new TinytrainError('FIRMWARE_BROKEN', `${path}: not a manifest`, { path }, error);
    throw fileError(error, path, 'cannot be read');
  }
}

/** Refuses a folder that holds something else, before anything is written. */
async function checkFolder(folder: string): Promise<FirmwareManifest | undefined> {
  const earlier = await readManifest(folder);
  if (earlier) return earlier;
  const names = await fs.readdir(folder).catch(error => {
    if (systemCode(error) === 'ENOENT') return [];
    throw fileError(error, folder, 'the firmware cannot be written here');
  });
  if (names.length > 0) {
    throw new TinytrainError('FOLDER_NOT_EMPTY', `${folder}: the folder is not empty, and no firmware of tinytrain's`, {
      path: folder,
      help: ['choose another --out, or an empty folder'],
    });
  }
  return undefined;
}

async function removeStale(folder: string, earlier: Manifest, files: ReadonlyMap<string, string>): Promise<void> {
  const stale = Object.keys(earlier.files ?? {}).filter(path => !files.has(path) && !path.startsWith(THEIRS));
  await Promise.all(stale.map(path => fs.rm(join(folder, path), { force: true })));
}

/** Writes a firmware project. What lies in `app/` already is left alone; returns the paths written. */
export async function writeFirmware(folder: string, files: ReadonlyMap<string, string>): Promise<string[]> {
  const earlier = await checkFolder(folder);
  const written: string[] = [];
  try {
    for (const [path, text] of files) {
      const to = join(folder, path);
      if (path.startsWith(THEIRS) && (await exists(to))) continue;
      await makeFolder(dirname(to));
      await fs.writeFile(to, text);
      written.push(path);
    }
    if (earlier) await removeStale(folder, earlier, files);
  } catch (error) {
    throw fileError(error, folder, 'the firmware cannot be written here');
  }
  return written;
}

/** The manifest of a firmware folder. */
export async function openFirmware(folder: string): Promise<FirmwareManifest> {
  const manifest = await readManifest(folder);
  if (!manifest) {
    throw new TinytrainError('FIRMWARE_MISSING', `${folder}: there is no firmware here`, {
      path: folder,
      help: [`\`npx tinytrain compile --out ${folder}\` writes it`],
    });
  }
  if (manifest.format !== manifestFormat || manifest.tinytrain !== version) throw otherVersion(folder, manifest);
  return manifest;
}

/** How the board of a firmware is named: a shipped one by its name, one of the user's by its folder in the firmware. */
export function targetOf(folder: string, { target }: Pick<Manifest, 'target'>): string {
  return targets().includes(target) ? target : join(folder, 'board', target);
}

function otherVersion(folder: string, manifest: Manifest): TinytrainError {
  return new TinytrainError(
    'FIRMWARE_VERSION',
    `${folder}: made by another version of tinytrain, ${manifest.tinytrain}; this is ${version}`,
    {
      path: folder,
      made: manifest.tinytrain,
      version,
      help: [
        'compile the model again; app/ stays as it is',
        `or use that version: npx tinytrain@${manifest.tinytrain} run`,
      ],
    },
  );
}

/** A firmware's Program, compiled again, and its samples. */
export interface Rebuilt {
  readonly model: Model;
  readonly data: SampleSet;
  readonly program: Program;
}

async function samplesOf(
  folder: string,
  { data }: FirmwareOrigin,
  model: Model,
  options: WorkOptions,
): Promise<SampleSet> {
  const { origin } = data;
  if (!origin) {
    throw new TinytrainError('FIRMWARE_NO_DATA', `${folder}: the samples (${data.source}) came from a program`, {
      path: folder,
    });
  }
  if ('drawn' in origin) return defaultImages(model.input, { ...origin.drawn, ...options });
  return loadImages(origin.folder, model.input, { ...origin, ...options });
}

/** Compiles a firmware's Program again from its model and samples; refused if it does not come out the same. */
export async function rebuild(folder: string, manifest: FirmwareManifest, options: WorkOptions = {}): Promise<Rebuilt> {
  const { origin } = manifest;
  const model = await loadModel(origin.model.path, origin.model);
  const data = await samplesOf(folder, origin, model, options);
  const { scheme, residualBits, seed } = origin;
  const program = await compile(model, data, { scheme, residualBits, seed });
  if (program.hash !== manifest.program) {
    const changed = [
      ...(model.hash === origin.model.hash ? [] : [`the model, ${origin.model.path}`]),
      ...(data.hash === origin.data.hash ? [] : [`the samples, ${origin.data.source}`]),
    ];
    const why = changed.length > 0 ? `these have changed since: ${changed.join('; ')}` : 'tinytrain itself has changed';
    throw new TinytrainError('FIRMWARE_STALE', `${folder}: the program of this firmware cannot be made again; ${why}`, {
      path: folder,
      changed,
      program: program.hash,
      firmware: manifest.program,
      help: ['compile the model again; app/ stays as it is'],
    });
  }
  return { model, data, program };
}
