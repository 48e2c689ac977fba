import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { has } from './firmware.js';

/** A test that needs a board on a pseudo-terminal. */
export const onPty =
  process.platform === 'linux' && has('make', 'arm-none-eabi-gcc') && has('qemu-system-arm') ? test.serial : test.skip;

/** A board behind a serial port of the system: QEMU on a pseudo-terminal. */
export async function board(
  t: ExecutionContext,
  elf: string,
  ...more: string[]
): Promise<{ port: string; qemu: ChildProcess }> {
  const machine = ['-M', 'mps2-an500', '-display', 'none', '-monitor', 'none', '-nodefaults'];
  const qemu = spawn('qemu-system-arm', [...machine, '-kernel', elf, '-serial', 'pty', ...more]);
  t.teardown(() => qemu.kill('SIGKILL'));
  let said = '';
  for (const stream of [qemu.stdout, qemu.stderr]) stream?.on('data', text => (said += text));
  while (!/\/dev\/pts\/\d+/.test(said)) {
    if (qemu.exitCode !== null) throw new Error(`QEMU ended: ${said}`);
    await sleep(20);
  }
  return { port: /\/dev\/pts\/\d+/.exec(said)?.[0] ?? '', qemu };
}

/** Runs a program until it ends by itself; `during` sees what it says. */
export async function ended(
  args: readonly string[],
  during?: (said: string, child: ChildProcess) => void,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', text => {
    stdout += text;
    during?.(stdout, child);
  });
  child.stderr.on('data', text => (stderr += text));
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}
