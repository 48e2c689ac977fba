import { ProcessLine } from './process.js';

/** The board that stands in for one. */
export const EMULATED = 'qemu-mps2-an500';
/** Its clock. */
export const QEMU_CLOCK_HZ = 25_000_000;
/** Nanoseconds of virtual time that an instruction takes, as a power of two: at 25 MHz the clock ticks several times an instruction. */
const ICOUNT_SHIFT = 8;
/** Where the board looks whether semihosting is there (board/qemu-mps2-an500/board.c). */
const MAILBOX = 0x60000000;
const SEMIHOSTING = 0x54544831;

/** How QEMU is connected. */
export interface QemuOptions {
  /** `uart`: byte by byte through the emulated UART, as on a board; `semihosting`, the default: the same bytes in blocks, a thousand times faster. */
  readonly line?: 'uart' | 'semihosting' | undefined;
}

/** Starts a firmware in QEMU's mps2-an500, with a deterministic count of instructions. */
export function startQemu(elf: string, { line = 'semihosting' }: QemuOptions = {}): Promise<ProcessLine> {
  const common = [
    '-M',
    'mps2-an500',
    '-icount',
    `shift=${ICOUNT_SHIFT}`,
    '-display',
    'none',
    '-monitor',
    'none',
    '-nodefaults',
  ];
  const uart = ['-chardev', 'stdio,id=line,signal=off,mux=off', '-serial', 'chardev:line'];
  const semihosting = [
    ...['-serial', 'none', '-semihosting-config', 'enable=on,target=native'],
    ...['-device', `loader,addr=${MAILBOX},data=${SEMIHOSTING},data-len=4`],
  ];
  return ProcessLine.start('QEMU', 'qemu-system-arm', [
    ...common,
    ...(line === 'uart' ? uart : semihosting),
    ...['-kernel', elf],
  ]);
}

/** Guest instructions from ticks of the board's clock. Exact: a tick is less than an instruction. */
export function instructionsOf(ticks: number, clockHz: number): number {
  return Math.round((ticks * 1e9) / clockHz / 2 ** ICOUNT_SHIFT);
}
