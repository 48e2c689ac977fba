// Tests the aarch64 kernels on another processor: cross-compiled and run in QEMU's user mode. They compare every kernel and complete training runs with the
// reference, bit for bit. In CI nothing may be skipped.
import { spawnSync } from 'node:child_process';
import { arch, env } from 'node:process';
import { fail, has, run } from './lib/shell.mjs';
import { bring } from './lib/tools.mjs';

const TARGET = 'aarch64-unknown-linux-gnu';
const LEFT_OUT = 'The tests of the aarch64 kernels are left out without it.';
const tools = {
  'aarch64-linux-gnu-gcc': ['gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross'],
  'qemu-aarch64': ['qemu-user'],
};

function ready() {
  if (!has('rustup')) console.error(`missing: rustup. ${LEFT_OUT}`);
  else if (spawnSync('rustup', ['target', 'add', TARGET], { stdio: 'inherit' }).status !== 0) {
    console.error(`missing: Rust's target ${TARGET}. ${LEFT_OUT}`);
  } else return bring(tools, LEFT_OUT);
  return false;
}

// On aarch64, the tests of the workspace have already run them.
if (arch !== 'arm64') {
  if (ready()) {
    const tests = ['-p', 'tinytrain-kernels', '-p', 'tinytrain-compile', '--test', 'simd', '--test', 'kernels'];
    run('cargo', ['test', '--locked', '--target', TARGET, ...tests], {
      env: {
        ...env,
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: 'aarch64-linux-gnu-gcc',
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER: 'qemu-aarch64 -L /usr/aarch64-linux-gnu',
      },
    });
  } else if (env.CI) fail('CI must test the aarch64 kernels');
}
