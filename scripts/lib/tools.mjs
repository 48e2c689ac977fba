// Installs tools that the tests need and a clone does not contain.
import { existsSync } from 'node:fs';
import { has, run } from './shell.mjs';

/**
 * Installs those of `tools` (command to Debian packages) that are missing, if apt and root access are available; otherwise prints how to install them, and what is
 * skipped without them. Returns whether all are available.
 */
export function bring(tools, leftOut, help = []) {
  const missing = Object.keys(tools).filter(tool => !has(tool));
  if (missing.length === 0) return true;
  const packages = missing.flatMap(tool => tools[tool]);
  if (existsSync('/usr/bin/apt-get') && process.getuid?.() === 0) {
    console.error(`missing: ${missing.join(', ')}; installing ${packages.join(', ')}`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    run('apt-get', ['update', '-qq'], { env });
    run('apt-get', ['install', '-qq', '-y', '--no-install-recommends', ...packages], { env });
    return true;
  }
  console.error(`missing: ${missing.join(', ')}. ${leftOut}`);
  console.error(`  on Debian or Ubuntu: sudo apt-get install --no-install-recommends ${packages.join(' ')}`);
  for (const line of help) console.error(`  ${line}`);
  return false;
}
