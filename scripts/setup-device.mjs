// Installs the requirements of the device tests: the Arm compiler and QEMU, and for the STM32F746's own firmware the CPU emulator Unicorn, a Python package,
// in a virtual environment below target/. For the tests of searches over several machines it installs a Redis server.
import { existsSync } from 'node:fs';
import { has, root, tried } from './lib/shell.mjs';
import { bring } from './lib/tools.mjs';

bring(
  {
    'arm-none-eabi-gcc': ['gcc-arm-none-eabi', 'libnewlib-arm-none-eabi'],
    'qemu-system-arm': ['qemu-system-arm'],
  },
  'The tests of the device are left out without them.',
  ['on macOS: brew install qemu && brew install --cask gcc-arm-embedded'],
);

bring({ 'redis-server': ['redis-server'] }, 'The tests of searches over several machines are left out without it.', [
  'on macOS: brew install redis',
]);

const venv = `${root}/target/python`;
const python = process.platform === 'win32' ? `${venv}/Scripts/python.exe` : `${venv}/bin/python3`;
const packages = ['unicorn==2.1.4', 'pyelftools==0.32'];
const ready = existsSync(python) && tried(python, ['-c', 'import unicorn, elftools']);
if (!ready) {
  const made = has('python3') && tried('python3', ['-m', 'venv', venv]);
  const installed = made && tried(python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...packages]);
  if (!installed) {
    console.error(
      `the test that executes the STM32F746's board code is left out: it needs Python with ${packages.join(' and ')}`,
    );
  }
}
