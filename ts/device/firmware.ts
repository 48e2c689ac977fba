import { promises as fs } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { viewOf } from '../data/images/camera.js';
import { type InputFormat, inputLength } from '../data/input.js';
import { cuttingOf, type DataOrigin, fittingOf } from '../data/origin.js';
import type { RawSeries } from '../data/series/front.js';
import { tablesOf } from '../data/series/sound.js';
import type { Board, EmitBoard } from '../emit/board.js';
import { emit } from '../emit/emit.js';
import type { EmitInput } from '../emit/input.js';
import { elementsOf } from '../emit/text.js';
import { fileError, systemCode, TinytrainError } from '../errors.js';
import { bytesIfThere, readIfThere } from '../files.js';
import { type Files, hashOf, inOwnFolder, inside, placeIn, settle } from '../folder.js';
import { jsonOf, sha256 } from '../json.js';
import { isBookkeeping } from '../names.js';
import { call, native } from '../native.js';
import { options as all, checkOptions, optionTable } from '../options.js';
import {
  type NamedSamples,
  type Origin,
  originOf,
  originSchema,
  type ProgramOrigin,
  programOrigin,
  programOriginOf,
} from '../origin.js';
import { targets } from '../program/compiler.js';
import { programFile } from '../program/file.js';
import { type MemoryTable, memoryTable } from '../program/memory.js';
import type { Program } from '../program/program.js';
import { type RecordKind, readRecord, sealed } from '../records.js';
import { version } from '../version.js';
import { boardSources, deviceSources, kernelFlags } from './sources.js';

const MANIFEST = 'manifest.json';
/** The user's part: written if missing, otherwise left unchanged. */
const THEIRS = 'app/';

/** `manifest.json`: the origin and the files of a firmware folder. */
export interface FirmwareManifest {
  readonly origin: Origin;
  readonly program: ProgramOrigin;
  /** The board that `make` builds for unless told otherwise. */
  readonly target: string;
  /** What the names of its model begin with, if not `tt`. */
  readonly prefix?: string | undefined;
  /** The memory planned for the target. */
  readonly memory: MemoryTable;
  /** SHA-256 of the generated and copied files by path, without those in `app/`. */
  readonly files: Readonly<Record<string, string>>;
}

/** Files of a firmware project by path. */
export type FirmwareFiles = Files;

const manifestKind: RecordKind<FirmwareManifest> = {
  name: 'manifest of a firmware',
  format: 2,
  code: 'FIRMWARE_BROKEN',
  schema: v.object({
    origin: originSchema,
    program: programOrigin,
    target: v.string(),
    prefix: v.optional(v.string()),
    memory: memoryTable,
    files: v.record(inside, sha256),
  }),
  otherVersion: (place, made) =>
    new TinytrainError(
      'FIRMWARE_VERSION',
      `${dirname(place)}: made by another version of tinytrain, ${made}; this is ${version}`,
      {
        path: dirname(place),
        made,
        version,
        help: ['compile the model again; app/ remains unchanged', `or use that version: npx tinytrain@${made} run`],
      },
    ),
};

/** The inputs of a firmware project that do not depend on its boards. */
export async function emitInput(
  program: Program,
): Promise<Omit<EmitInput, 'store' | 'memory' | 'kernelFiles' | 'target' | 'boards'>> {
  const { record, input, classes } = program;
  return {
    record,
    data: {
      consts: record.constants.map(({ element }, i) => elementsOf(element, program.constant(i))),
      initialState: program.initialState(),
    },
    pixelTables: input.tables,
    classNames: classes,
    version,
    sources: await deviceSources(),
    kernelFlags,
  };
}

type EmitOptions = Pick<EmitInput, 'marks' | 'prefix'>;
const emitOptions = optionTable<EmitOptions>({ prefix: all.prefix, marks: all.marks });

/**
 * A Program as a firmware project for a board (the name of a shipped one, or the path of a folder): its sources, the Program itself (`program.ttp`), and its
 * origin (`manifest.json`). With a prefix its names begin with that in place of `tt`.
 */
export async function firmwareFiles(
  program: Program,
  data: NamedSamples,
  target: string,
  options: EmitOptions = {},
): Promise<FirmwareFiles> {
  checkOptions(emitOptions, options);
  const { marks, prefix } = options;
  const board: Board = call(() => native().board(target));
  const input = await emitInput(program);
  const memory = program.memoryOn(target);
  const { store = false } = program.limits;
  const sources = emit({
    ...input,
    sources: new Map([...input.sources, ...(await boardSources(board, store))]),
    memory,
    view: viewOf(fittingOf(data.origin), program.input),
    series: seriesOf(program.input, data.origin),
    kernelFiles: program.kernelFiles(target),
    target: board.name,
    boards: boardsOf(program, target, board),
    // With marks the application is another one.
    store: store && !marks,
    marks,
    prefix,
  });
  const files = new Map<string, string | Uint8Array>(sources);
  // With marks it is not a firmware and will not be opened again.
  if (!marks) files.set(programFile, program.toBytes());
  const ours = [...files].filter(([path]) => !path.startsWith(THEIRS));
  const manifest = sealed(manifestKind, {
    origin: originOf(program, data),
    program: programOriginOf(program),
    target: board.name,
    prefix,
    memory,
    files: Object.fromEntries(ours.map(([path, content]) => [path, hashOf(content)])),
  });
  // Last, because it is written last: without it there is no firmware.
  return files.set(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`);
}

/** How raw values become a sample of an input, as the recordings did; undefined for images. */
export function seriesOf(input: InputFormat, origin: DataOrigin | null | undefined): RawSeries | undefined {
  const { series } = input;
  if (!series) return undefined;
  const { window, hop, front } = cuttingOf(origin);
  const rows = window ?? inputLength(input) / series.length;
  // Without a window each recording was one.
  return { columns: series, window: rows, hop: (window && hop) ?? rows, front: front && tablesOf(front) };
}

/** The target, and the board that QEMU emulates as its stand-in, each with its own stack. */
function boardsOf(program: Program, target: string, board: Board): EmitBoard[] {
  const standIn: Board | null = call(() => native().standIn(target));
  const own = { board, stack: program.memoryOn(target).stack };
  if (!standIn || standIn.name === board.name) return [own];
  return [
    own,
    {
      board: standIn,
      stack: call(() => program.handle.standInStack(target, program.limits.store ?? false)) ?? own.stack,
    },
  ];
}

/** SHA-256 of a file; undefined if there is none. */
async function hashOfFile(path: string): Promise<string | undefined> {
  const found = await bytesIfThere(path);
  return found && hashOf(found);
}

async function readManifest(folder: string): Promise<FirmwareManifest | undefined> {
  await settle(folder);
  return (await readRecord(join(folder, MANIFEST), manifestKind))?.content;
}

/** Hashes of the files that an earlier firmware wrote. */
type Earlier = FirmwareManifest['files'];

/** The files of an earlier firmware in the folder, none if it is empty. Throws if it contains something else, before anything is written. */
async function checkFolder(folder: string): Promise<Earlier> {
  try {
    const earlier = await readManifest(folder);
    if (earlier) return earlier.files;
  } catch (error) {
    // It is replaced, as its error advises, if its files can be told from the user's.
    const files = error instanceof TinytrainError && error.code === 'FIRMWARE_VERSION' && (await filesOfAny(folder));
    if (files) return files;
    throw error;
  }
  const names = await fs.readdir(folder).catch(error => {
    if (systemCode(error) === 'ENOENT') return [];
    throw fileError(error, folder, 'the firmware cannot be written here');
  });
  if (names.some(name => !isBookkeeping(name))) {
    throw new TinytrainError('FOLDER_NOT_EMPTY', `${folder}: the folder is not empty and does not contain a firmware`, {
      path: folder,
      help: ['choose another --out, or an empty folder'],
    });
  }
  return {};
}

/** The files that a firmware of any version lists. */
async function filesOfAny(folder: string): Promise<Earlier | undefined> {
  const path = join(folder, MANIFEST);
  const broken = (why: string) => new TinytrainError('FIRMWARE_BROKEN', `${path}: ${why}`, { path });
  const listing = jsonOf((await readIfThere(path)) ?? '{}', broken);
  const found = v.safeParse(v.looseObject({ files: v.record(inside, sha256) }), listing);
  return found.success ? found.output.files : undefined;
}

/** What is to be written and removed so that a folder has the new files: nothing of what the user has made or changed. Throws `FIRMWARE_EDITED`. */
async function changesOf(folder: string, earlier: Earlier, files: FirmwareFiles) {
  const changed = new Map<string, string | Uint8Array>();
  const edited: string[] = [];
  for (const [path, content] of files) {
    const found = await hashOfFile(join(folder, path));
    if (found !== undefined && path.startsWith(THEIRS)) continue;
    // A file that stays the same keeps its time, so that make does not compile it again.
    if (found === hashOf(content)) continue;
    if (found !== undefined && path !== MANIFEST && found !== earlier[path]) edited.push(path);
    changed.set(path, content);
  }
  const [first, ...more] = edited;
  if (first !== undefined) {
    const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
    throw new TinytrainError(
      'FIRMWARE_EDITED',
      `${folder}: ${first}${others} is not as tinytrain wrote it, and would be overwritten`,
      {
        path: folder,
        files: edited,
        help: ['move what you have changed to app/, which is yours, and delete the file', 'or choose another --out'],
      },
    );
  }
  const stale: string[] = [];
  for (const [path, hash] of Object.entries(earlier)) {
    if (files.has(path) || path.startsWith(THEIRS)) continue;
    if ((await hashOfFile(await placeIn(folder, path))) === hash) stale.push(path);
  }
  return { changed, stale };
}

/**
 * Writes a firmware project, all of it or nothing. Files in `app/` that exist are left unchanged, and so is every file that tinytrain has not written. Returns the
 * paths of the project's files without those. Throws `FOLDER_NOT_EMPTY`, `FOLDER_BUSY`, `FOLDER_LINK`, `FIRMWARE_EDITED`, `FIRMWARE_BROKEN`, `FILE_ERROR`.
 */
export async function writeFirmware(folder: string, files: FirmwareFiles): Promise<string[]> {
  // A folder with something else in it is not even locked.
  await checkFolder(folder);
  return inOwnFolder(folder, async own => {
    const { changed, stale } = await changesOf(folder, await checkFolder(folder), files);
    if (changed.size + stale.length > 0) await own.write(changed, stale);
    return [...files.keys()].filter(path => !path.startsWith(THEIRS) || changed.has(path));
  });
}

/** The manifest of a firmware folder. Throws `FIRMWARE_MISSING`, `FIRMWARE_BROKEN`, `FIRMWARE_VERSION`. */
export async function openFirmware(folder: string): Promise<FirmwareManifest> {
  const manifest = await readManifest(folder);
  if (manifest) return manifest;
  throw new TinytrainError('FIRMWARE_MISSING', `${folder}: there is no firmware here`, {
    path: folder,
    help: [`\`npx tinytrain compile --out ${folder}\` writes it`],
  });
}

/** The name of a firmware's board: a shipped one by its name, a user's by its folder in the firmware. */
export function targetOf(folder: string, { target }: Pick<FirmwareManifest, 'target'>): string {
  return targets().includes(target) ? target : join(folder, 'board', target);
}
