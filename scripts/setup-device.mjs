// Installs the requirements of the device tests: the Arm compiler and QEMU, and in a virtual environment below target/ Python packages: for the STM32F746's own
// firmware the CPU emulator Unicorn, for the features of sounds TensorFlow's micro front end. For the tests of searches over several machines it installs a Redis server.
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
const packages = ['unicorn==2.1.4', 'pyelftools==0.32', 'pymicro-features==2.0.2'];
const ready = existsSync(python) && tried(python, ['-c', 'import unicorn, elftools, pymicro_features']);
if (!ready) {
  const made = has('python3') && tried('python3', ['-m', 'venv', venv]);
  const installed = made && tried(python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...packages]);
  if (!installed) {
    console.error(
      `the tests that execute the STM32F746's board code, and compare features of sounds, are left out: they need Python with ${packages.join(', ')}`,
    );
  }
}
