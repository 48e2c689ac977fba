// Installs the requirements of the device tests: the Arm compiler and QEMU.
import { bring } from './lib/tools.mjs';

bring(
  {
    'arm-none-eabi-gcc': ['gcc-arm-none-eabi', 'libnewlib-arm-none-eabi'],
    'qemu-system-arm': ['qemu-system-arm'],
  },
  'The tests of the device are left out without them.',
  ['on macOS: brew install qemu && brew install --cask gcc-arm-embedded'],
);
