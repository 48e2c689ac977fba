import type { Emulator } from '../emit/board.js';
import { TinytrainError } from '../errors.js';
import { options as all, checkOptions, object, optionTable } from '../options.js';
import { ProcessConnection } from './process.js';

/** The word at a board's mailbox that makes it use semihosting (`board/common/tt_mps2.h`). */
const SEMIHOSTING = 0x54544831;

/** Options for the connection to QEMU. */
export interface QemuOptions {
  /**
   * `uart`: byte by byte through the emulated UART, as on a board; `semihosting`: the same bytes in blocks, a thousand times faster, where the
   * board has a mailbox. It is the default if possible.
   */
  readonly line?: 'uart' | 'semihosting' | undefined;
  /** Further arguments of QEMU, such as a plugin. */
  readonly more?: readonly string[] | undefined;
}

const qemuOptions = optionTable<QemuOptions>({
  line: all.lineOfQemu,
  more: object('further arguments of QEMU', 'a list', Array.isArray),
});

/** Starts a firmware in QEMU, with deterministic instruction counts. */
export async function startQemu(
  elf: string,
  emulator: Emulator,
  options: QemuOptions = {},
): Promise<ProcessConnection> {
  checkOptions(qemuOptions, options);
  const { machine, icountShift, mailbox } = emulator;
  const line = options.line ?? (mailbox === undefined ? 'uart' : 'semihosting');
  if (line === 'semihosting' && mailbox === undefined) {
    throw new TinytrainError('LINE_UNKNOWN', `QEMU's ${machine} has no mailbox in its board.toml for semihosting`, {
      help: ['--line uart'],
    });
  }
  const common = [
    ...['-M', machine, '-icount', `shift=${icountShift}`],
    ...['-display', 'none', '-monitor', 'none', '-nodefaults'],
  ];
  const uart = ['-chardev', 'stdio,id=line,signal=off,mux=off', '-serial', 'chardev:line'];
  const semihosting = [
    ...['-serial', 'none', '-semihosting-config', 'enable=on,target=native'],
    ...['-device', `loader,addr=${mailbox},data=${SEMIHOSTING},data-len=4`],
  ];
  return ProcessConnection.start('QEMU', 'qemu-system-arm', [
    ...common,
    ...(line === 'uart' ? uart : semihosting),
    ...(options.more ?? []),
    ...['-kernel', elf],
  ]);
}

/** Converts ticks of a board's clock to guest instructions. Exact if a tick is shorter than an instruction. */
export function instructionsOf(ticks: number, clockHz: number, { icountShift }: Emulator): number {
  return Math.round((ticks * 1e9) / clockHz / 2 ** icountShift);
}
