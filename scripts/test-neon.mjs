// Tests the aarch64 kernels: where this machine is none, cross-compiled and run under QEMU's user mode. They compare every kernel and whole training runs
// with the reference, bit for bit.
import { arch } from 'node:process';
import { has, run } from './lib/shell.mjs';
import { bring } from './lib/tools.mjs';

const TARGET = 'aarch64-unknown-linux-gnu';
const tests = ['test', '--locked', '-p', 'tinytrain-kernels', '-p', 'tinytrain-exec', '--test', 'simd', '--test', 'kernels'];

if (arch === 'arm64') {
  run('cargo', tests);
} else {
  const tools = {
    'aarch64-linux-gnu-gcc': ['gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross'],
    'qemu-aarch64': ['qemu-user'],
  };
  if (!has('rustup')) {
    console.error('missing: rustup. The tests of the aarch64 kernels are left out without it.');
  } else if (bring(tools, 'The tests of the aarch64 kernels are left out without them.')) {
    run('rustup', ['target', 'add', TARGET]);
    run('cargo', [...tests, '--target', TARGET], {
      env: {
        ...process.env,
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: 'aarch64-linux-gnu-gcc',
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER: 'qemu-aarch64 -L /usr/aarch64-linux-gnu',
      },
    });
  }
}
