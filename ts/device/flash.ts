import { constants, promises as fs } from 'node:fs';
import { delimiter, dirname, join, relative, sep } from 'node:path';
import { aborted, messageOf, TinytrainError } from '../errors.js';
import { call, native } from '../native.js';
import { options as all, checkOptions, optionTable } from '../options.js';
import { openFirmware, targetOf } from './firmware.js';
import { startGroup } from './process.js';
import { build } from './toolchain.js';

const SHOWN = 12;

/** A firmware that was written to its board. */
export interface Flashed {
  readonly target: string;
  readonly elf: string;
  /** The command that wrote it. */
  readonly command: string;
}

async function isInstalled(tool: string): Promise<boolean> {
  const places = (process.env['PATH'] ?? '').split(delimiter).filter(place => place !== '');
  const names = process.platform === 'win32' ? [`${tool}.exe`, `${tool}.cmd`] : [tool];
  const found = await Promise.all(
    places.flatMap(place =>
      names.map(name =>
        fs.access(join(place, name), constants.X_OK).then(
          () => true,
          () => false,
        ),
      ),
    ),
  );
  return found.includes(true);
}

function execute(command: string, cwd: string, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = startGroup(command, [], { shell: true, cwd, signal });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => (output += text));
    const failed = (why: string, cause?: unknown) =>
      reject(
        signal?.aborted
          ? aborted('writing to the board', signal)
          : new TinytrainError(
              'FLASH_FAILED',
              `the board was not written: ${why}`,
              { command, help: output.trim().split('\n').slice(-SHOWN) },
              cause,
            ),
      );
    child.once('error', error => failed(messageOf(error), error));
    child.once('close', code =>
      code === 0 ? resolve() : failed(`${command.split(' ')[0]} ended with exit code ${code}`),
    );
  });
}

/** How to write a firmware to its board. */
export interface FlashOptions {
  /** The serial port, for commands of `board.toml` that use one (`{port}`). */
  readonly port?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const flashOptions = optionTable<FlashOptions>({ port: all.portToFlash, signal: all.signal });

/**
 * Builds a firmware for its board and writes it there with the first of the board's commands whose tool is installed. Throws `FLASH_MISSING` if there is
 * none, `FLASH_FAILED`, `OPTION_INVALID`, and the errors of building.
 */
export async function flash(folder: string, options: FlashOptions = {}): Promise<Flashed> {
  checkOptions(flashOptions, options);
  const { port, signal } = options;
  const manifest = await openFirmware(folder);
  const { target } = manifest;
  const { flashCommands } = call(() => native().board(targetOf(folder, manifest)));
  const usable = flashCommands.filter(command => port !== undefined || !command.includes('{port}'));
  const tools = usable.map(command => command.trim().split(/\s+/)[0] ?? '');
  const there = await Promise.all(tools.map(isInstalled));
  const chosen = usable[there.indexOf(true)];
  if (chosen === undefined) {
    const why =
      tools.length === 0 ? 'its board.toml has no flash_commands' : `none of these is installed: ${tools.join(', ')}`;
    throw new TinytrainError('FLASH_MISSING', `nothing can write to the ${target}: ${why}`, { target, tools });
  }
  const elf = await build(folder, target, signal);
  // A shell reads it, so the folder is where it runs, and not a part of it.
  const name = (file: string) =>
    relative(folder, join(dirname(elf), file))
      .split(sep)
      .join('/');
  const command = chosen
    .replaceAll('{elf}', name('firmware.elf'))
    .replaceAll('{bin}', name('firmware.bin'))
    .replaceAll('{port}', port ?? '');
  await execute(command, folder, signal);
  return { target, elf, command };
}
