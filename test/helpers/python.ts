import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);
/** Python with the packages of the tests: where `scripts/setup-device.mjs` puts them, or the one on the PATH. */
export const python = ['target/python/bin/python3', 'target/python/Scripts/python.exe']
  .map(path => fileURLToPath(new URL(path, root)))
  .concat('python3')
  .find(path => path === 'python3' || existsSync(path)) as string;

/** Whether it has packages. */
export function hasPackages(...names: readonly string[]): boolean {
  return spawnSync(python, ['-c', `import ${names.join(', ')}`], { stdio: 'ignore' }).status === 0;
}
