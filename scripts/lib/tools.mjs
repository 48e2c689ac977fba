// Brings tools that tests need and a clone cannot.
import { existsSync } from 'node:fs';
import { has, run } from './shell.mjs';

/**
 * Installs, where apt and the rights are there, what is missing of `tools` (command to Debian packages); otherwise says how, and what is left out
 * without them. Returns whether all are there.
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
