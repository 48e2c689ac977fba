import type { Board, Emulator } from '../emit/board.js';
import { TinytrainError } from '../errors.js';
import { call, native } from '../native.js';

/** A board that QEMU emulates. */
export interface EmulatedBoard extends Board {
  readonly emulator: Emulator;
}

/** The board that QEMU emulates in place of the given one: itself, or a shipped one with the same core. */
export function standInOf(target: string): EmulatedBoard {
  const found: Board | null = call(() => native().standIn(target));
  if (found?.emulator) return { ...found, emulator: found.emulator };
  const { name, core } = call(() => native().board(target));
  throw new TinytrainError('EMULATOR_NONE', `QEMU emulates neither ${name} nor another board with core ${core}`, {
    board: name,
    core,
    help: ['use a board with this firmware: --port /dev/ttyACM0', 'or add an [emulator] to its board.toml'],
  });
}
