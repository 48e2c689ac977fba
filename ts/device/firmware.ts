import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import type { Board, EmitBoard } from '../emit/board.js';
import { emit } from '../emit/emit.js';
import type { EmitInput } from '../emit/input.js';
import { elementsOf } from '../emit/text.js';
import { fileError, systemCode, TinytrainError } from '../errors.js';
import { makeFolder, replaceFile } from '../files.js';
import { sha256 } from '../json.js';
import { call, native } from '../native.js';
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
  /** The memory planned for the target. */
  readonly memory: MemoryTable;
  /** SHA-256 of the generated and copied files by path, without those in `app/`. */
  readonly files: Readonly<Record<string, string>>;
}

/** Files of a firmware project by path. */
export type FirmwareFiles = ReadonlyMap<string, string | Uint8Array>;

/** A path that stays inside the folder. */
const inside = v.pipe(v.string(), v.regex(/^(?!\.{1,2}\/)[\w.-]+(\/(?!\.{1,2}(\/|$))[\w.-]+)*$/));

const manifestKind: RecordKind<FirmwareManifest> = {
  name: 'manifest of a firmware',
  format: 2,
  code: 'FIRMWARE_BROKEN',
  schema: v.object({
    origin: originSchema,
    program: programOrigin,
    target: v.string(),
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

function hashOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The inputs of a firmware project that do not depend on its boards. */
export async function emitInput(
  program: Program,
): Promise<Omit<EmitInput, 'memory' | 'kernelFiles' | 'target' | 'boards'>> {
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

/**
 * A Program as a firmware project for a board (the name of a shipped one, or the path of a folder): its sources, the Program itself (`program.ttp`), and its
 * origin (`manifest.json`).
 */
export async function firmwareFiles(
  program: Program,
  data: NamedSamples,
  target: string,
  { marks }: Pick<EmitInput, 'marks'> = {},
): Promise<FirmwareFiles> {
  const board: Board = call(() => native().board(target));
  const input = await emitInput(program);
  const memory = program.memoryOn(target);
  const sources = emit({
    ...input,
    sources: new Map([...input.sources, ...(await boardSources(board))]),
    memory,
    kernelFiles: program.kernelFiles(target),
    target: board.name,
    boards: boardsOf(program, target, board),
    marks,
  });
  const files = new Map<string, string | Uint8Array>(sources);
  // With marks it is not a firmware and will not be opened again.
  if (!marks) files.set(programFile, program.toBytes());
  const ours = [...files].filter(([path]) => !path.startsWith(THEIRS));
  const manifest = sealed(manifestKind, {
    origin: originOf(program, data),
    program: programOriginOf(program),
    target: board.name,
    memory,
    files: Object.fromEntries(ours.map(([path, content]) => [path, hashOf(content)])),
  });
  // Last, because it is written last: without it there is no firmware.
  return files.set(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`);
}

/** The target, and the board that QEMU emulates as its stand-in, each with its own stack. */
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

async function holds(path: string, content: string | Uint8Array): Promise<boolean> {
  const there = await fs.readFile(path).catch(() => undefined);
  return there?.equals(Buffer.from(content as string)) ?? false;
}

async function readManifest(folder: string): Promise<FirmwareManifest | undefined> {
  return (await readRecord(join(folder, MANIFEST), manifestKind))?.content;
}

/** The manifest of an earlier firmware in the folder. Throws if the folder contains something else, before anything is written. */
async function checkFolder(folder: string): Promise<FirmwareManifest | undefined> {
  try {
    const earlier = await readManifest(folder);
    if (earlier) return earlier;
  } catch (error) {
    // It is overwritten, as its error advises; its files are not known.
    if (error instanceof TinytrainError && error.code === 'FIRMWARE_VERSION') return undefined;
    throw error;
  }
  const names = await fs.readdir(folder).catch(error => {
    if (systemCode(error) === 'ENOENT') return [];
    throw fileError(error, folder, 'the firmware cannot be written here');
  });
  if (names.length > 0) {
    throw new TinytrainError('FOLDER_NOT_EMPTY', `${folder}: the folder is not empty and does not contain a firmware`, {
      path: folder,
      help: ['choose another --out, or an empty folder'],
    });
  }
  return undefined;
}

async function removeStale(folder: string, earlier: FirmwareManifest, files: FirmwareFiles): Promise<void> {
  const stale = Object.keys(earlier.files).filter(path => !files.has(path) && !path.startsWith(THEIRS));
  await Promise.all(stale.map(path => fs.rm(join(folder, path), { force: true })));
}

/**
 * Writes a firmware project. Existing files in `app/` are left unchanged. Returns the paths written. Throws `FOLDER_NOT_EMPTY`, `FIRMWARE_BROKEN`,
 * `FILE_ERROR`.
 */
export async function writeFirmware(folder: string, files: FirmwareFiles): Promise<string[]> {
  const earlier = await checkFolder(folder);
  const written: string[] = [];
  try {
    for (const [path, content] of files) {
      const to = join(folder, path);
      if (path.startsWith(THEIRS) && (await exists(to))) continue;
      // A file that stays the same keeps its time, so that make does not compile it again.
      if (!(await holds(to, content))) {
        await makeFolder(dirname(to));
        await replaceFile(to, content);
      }
      written.push(path);
    }
    if (earlier) await removeStale(folder, earlier, files);
  } catch (error) {
    throw error instanceof TinytrainError ? error : fileError(error, folder, 'the firmware cannot be written here');
  }
  return written;
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
