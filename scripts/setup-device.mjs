// Brings what the device tests need: the Arm compiler and QEMU. Where apt and the rights are there it installs them, otherwise it says how.
import { existsSync } from 'node:fs';
import { has, run } from './lib/shell.mjs';

const tools = {
  'arm-none-eabi-gcc': ['gcc-arm-none-eabi', 'libnewlib-arm-none-eabi'],
  'qemu-system-arm': ['qemu-system-arm'],
};

const missing = Object.keys(tools).filter(tool => !has(tool));
const packages = missing.flatMap(tool => tools[tool]);
if (missing.length > 0) {
  const command = `apt-get install --no-install-recommends ${packages.join(' ')}`;
  if (existsSync('/usr/bin/apt-get') && process.getuid?.() === 0) {
    console.error(`missing: ${missing.join(', ')}; installing ${packages.join(', ')}`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    run('apt-get', ['update', '-qq'], { env });
    run('apt-get', ['install', '-qq', '-y', '--no-install-recommends', ...packages], { env });
  } else {
    console.error(`missing: ${missing.join(', ')}. The tests of the device are left out without them.`);
    console.error(`  on Debian or Ubuntu: sudo ${command}`);
    console.error('  on macOS: brew install qemu && brew install --cask gcc-arm-embedded');
  }
}
