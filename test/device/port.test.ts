import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { SerialConnection, TinytrainError } from '#tinytrain';
import { build } from '#tinytrain/device/toolchain.js';
import { command } from '../helpers/cli.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { patient } from '../helpers/progress.js';

const user = fileURLToPath(new URL('../helpers/port-user.js', import.meta.url));
const onPty =
  process.platform === 'linux' && has('make', 'arm-none-eabi-gcc') && has('qemu-system-arm') ? test.serial : test.skip;

/** A board behind a serial port of the system: QEMU on a pseudo-terminal. */
async function board(
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
async function ended(
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

onPty('a run over a port ends by itself, and says in which unit it measured', async t => {
  patient(t);
  const { folder } = await testFirmware(t);
  const { port } = await board(t, await build(folder, 'qemu-mps2-an500'));
  const args = ['run', folder, '--port', port, '--steps', '1', '--predictions', '1', '--timeout', '600'];
  // A second run needs the port to be free again, and the device to be where the first one left it.
  for (const time of ['first', 'second']) {
    const { code, stdout, stderr } = await ended([command, ...args]);
    t.is(code, 0, `${time}: ${stderr}`);
    t.regex(stdout, /1 steps, 1 predictions: every bit equal/);
    t.regex(stdout, /inference +[\d.]+ ms \([\d,]+ ticks of 25 MHz\)/);
  }
});

onPty('a port that is silent, one that disappears, one in use, Ctrl-C: each ends at once', async t => {
  patient(t);
  const { folder } = await testFirmware(t);
  const elf = await build(folder, 'qemu-mps2-an500');
  // A processor that stands still.
  const { port: silent } = await board(t, elf, '-S');
  const first = await ended([command, 'run', folder, '--port', silent, '--timeout', '2']);
  t.is(first.code, 1, first.stdout);
  t.regex(first.stderr, /pts\/\d+ did not answer within 2 s/);

  const { port, qemu } = await board(t, elf);
  const second = await ended([user, folder, port, '10000'], (said, child) => {
    if (said.includes('training 1\n')) child.kill('SIGINT');
  });
  t.regex(second.stdout, /training 1\n.*ABORTED\n$/s);
  t.is(second.code, 0);

  let other: ReturnType<typeof ended> | undefined;
  const third = await ended([user, folder, port, '10000'], said => {
    if (!said.includes('training 1\n') || other) return;
    other = ended([user, folder, port, '1']);
    other.then(() => qemu.kill('SIGKILL'));
  });
  t.regex((await other)?.stdout ?? '', /PORT_FAILED\n$/);
  t.regex(third.stdout, /training 1\n.*DEVICE_GONE\n$/s);
  t.is(third.code, 0);

  const gone = await ended([command, 'run', folder, '--port', port]);
  t.is(gone.code, 1);
  t.regex(gone.stderr, /the port cannot be opened: it does not exist/);
});

test('ports are for main threads', async t => {
  // Tests run in worker threads.
  await t.throwsAsync(SerialConnection.open('/dev/null'), { instanceOf: TinytrainError, code: 'PORT_FAILED' });
});
