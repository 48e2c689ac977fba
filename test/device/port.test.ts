import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { SerialConnection, TinytrainError } from '#tinytrain';
import { build } from '#tinytrain/device/toolchain.js';
import { command } from '../helpers/cli.js';
import { testFirmware } from '../helpers/firmware.js';
import { patient } from '../helpers/progress.js';
import { board, ended, onPty } from '../helpers/pty.js';

const user = fileURLToPath(new URL('../helpers/port-user.js', import.meta.url));

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
    t.regex(stdout, /inference +[\d.]+ ms, measured at 25 MHz/);
  }
});

onPty('a silent port, and one that is not there, end with a sentence', async t => {
  const fed = patient(t);
  const { folder } = await testFirmware(t);
  // A processor that stands still.
  const { port } = await board(t, await build(folder, 'qemu-mps2-an500'), '-S');
  fed();
  const silent = await ended([command, 'run', folder, '--port', port, '--timeout', '2']);
  t.is(silent.code, 1, silent.stdout);
  t.regex(silent.stderr, /pts\/\d+ did not answer within 2 s/);

  const missing = await ended([command, 'run', folder, '--port', '/dev/ttyNOTHERE']);
  t.is(missing.code, 1);
  t.regex(
    missing.stderr,
    /ttyNOTHERE: the port cannot be opened: it does not exist\n +(the ports of this|this) computer/,
  );
  const noPort = await ended([command, 'run', folder, '--port', join(folder, 'manifest.json')]);
  t.is(noPort.code, 1);
  t.regex(noPort.stderr, /manifest\.json: the port cannot be opened: /);
});

onPty(
  'Ctrl-C, a port in use, one that disappears: each ends at once, and the next program finds the device',
  async t => {
    const fed = patient(t);
    const { folder } = await testFirmware(t);
    const { port, qemu } = await board(t, await build(folder, 'qemu-mps2-an500'));
    fed();
    const isTraining = (said: string) => said.includes('training 1\n');
    let stopped = 0;
    // In the middle of a frame that the device then waits for the rest of.
    const first = await ended([user, folder, port, '10000'], (said, child) => {
      if (!isTraining(said) || stopped > 0) return;
      stopped = performance.now();
      child.kill('SIGINT');
    });
    t.true(performance.now() - stopped < 10_000);
    t.regex(first.stdout, /training 1\n(training .*\n)*ABORTED\n$/);
    t.is(first.code, 0);
    fed();

    let other: ReturnType<typeof ended> | undefined;
    const second = await ended([user, folder, port, '10000'], said => {
      if (!isTraining(said) || other) return;
      other = ended([user, folder, port, '1']);
      other.then(() => qemu.kill('SIGKILL'));
    });
    t.regex((await other)?.stdout ?? '', /PORT_FAILED\n$/);
    t.regex(second.stdout, /training 1\n(training .*\n)*DEVICE_GONE\n$/);
    t.is(second.code, 0);
  },
);

test('ports are for main threads', async t => {
  // Tests run in worker threads.
  await t.throwsAsync(SerialConnection.open('/dev/null'), { instanceOf: TinytrainError, code: 'PORT_FAILED' });
});
