import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import type { ErrorCode } from '../codes.js';
import { aborted, messageOf, systemCode, TinytrainError } from '../errors.js';
import { startGroup } from './process.js';

const SHOWN = 12;

/** A required tool, and how to install it. */
interface Tool {
  readonly command: string;
  readonly what: string;
  readonly code: ErrorCode;
  readonly help: readonly string[];
}

const tools = {
  make: { command: 'make', what: 'make', code: 'MAKE_MISSING', help: ['on Debian or Ubuntu: apt-get install make'] },
  compiler: {
    command: 'arm-none-eabi-gcc',
    what: 'the Arm compiler',
    code: 'COMPILER_MISSING',
    help: [
      'on Debian or Ubuntu: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi',
      'on macOS: brew install --cask gcc-arm-embedded',
    ],
  },
  qemu: {
    command: 'qemu-system-arm',
    what: 'the emulator',
    code: 'EMULATOR_MISSING',
    help: [
      'on Debian or Ubuntu: apt-get install qemu-system-arm',
      'on macOS: brew install qemu',
      'or use a board instead: --port /dev/ttyACM0',
    ],
  },
} as const satisfies Record<string, Tool>;

/** The output and exit code of a command. */
interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function execute(
  command: string,
  args: readonly string[],
  signal?: AbortSignal,
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = startGroup(command, args, { env: { ...process.env, ...env }, signal });
    const chunks: string[] = [];
    child.stdout.setEncoding('utf8').on('data', text => chunks.push(text));
    child.stderr.setEncoding('utf8').on('data', text => chunks.push(text));
    child.once('error', reject);
    // A command that was stopped has ended once its streams are closed.
    child.once('close', code =>
      signal?.aborted ? reject(aborted(command, signal)) : resolve({ code, output: chunks.join('') }),
    );
  });
}

/** The version of a tool. If it is missing, throws an error that tells how to install it. */
export async function requireTool(name: keyof typeof tools): Promise<string> {
  const { command, what, code, help }: Tool = tools[name];
  try {
    const { output } = await execute(command, ['--version']);
    return output.split('\n')[0] ?? '';
  } catch (error) {
    const missing = systemCode(error) === 'ENOENT';
    const why = missing ? `${command} is not on the PATH` : messageOf(error);
    throw new TinytrainError(code, `${what} is missing: ${why}`, { command, help }, error);
  }
}

/** The linker's message about a memory that is too small. */
function overflow(output: string): TinytrainError | undefined {
  const found = /region `(\w+)' overflowed by (\d+) bytes/.exec(output);
  if (!found) return undefined;
  const [, region, bytes] = found;
  return new TinytrainError('LINK_OVERFLOW', `the firmware does not fit: ${region} overflowed by ${bytes} bytes`, {
    region,
    missing: Number(bytes),
    help: ['functions or variables of app/ take memory that is not part of the plan'],
  });
}

/** Standard output of one of the compiler's tools (`nm`, `objdump`, ...). */
export async function compilerTool(name: string, args: readonly string[], signal?: AbortSignal): Promise<string> {
  const command = `arm-none-eabi-${name}`;
  const { code, output } = await execute(command, args, signal);
  if (code === 0) return output;
  const help = output.trim().split('\n').slice(-SHOWN);
  throw new TinytrainError('TOOL_FAILED', `${command} ${args.join(' ')} failed`, { command, code, help });
}

/** Builds a firmware for one of its boards; returns the path of the ELF file. `env` is added to make's environment. */
export async function build(
  folder: string,
  board: string,
  signal?: AbortSignal,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const boards = await fs.readdir(join(folder, 'board')).catch((): string[] => []);
  if (!boards.includes(board) || board === 'common') {
    const known = boards.filter(name => name !== 'common');
    throw new TinytrainError('BOARD_UNKNOWN', `there is no board ${board}; this firmware has: ${known.join(', ')}`, {
      board,
      known,
    });
  }
  await requireTool('make');
  if (board !== 'host') await requireTool('compiler');
  const { code, output } = await execute('make', ['-C', folder, '-j2', `BOARD=${board}`], signal, env);
  if (code !== 0) {
    const last = output.trim().split('\n').slice(-SHOWN);
    throw (
      overflow(output) ??
      new TinytrainError('BUILD_FAILED', `${folder}: make BOARD=${board} failed`, { folder, board, code, help: last })
    );
  }
  return join(folder, 'build', board, 'firmware.elf');
}
