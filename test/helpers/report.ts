import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { tinytrain } from './cli.js';
import { images } from './folder.js';

/** A Chromium on this machine; undefined if there is none. */
export function chromiumPath(): string | undefined {
  const names = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  return [process.env['TINYTRAIN_CHROMIUM'] ?? '', ...names].find(path => path !== '' && existsSync(path));
}

/** A name that would be a script if it were not escaped. */
export const hostile = '<img src=x onerror=alert(1)>';

/** Folders of a training run, a search and a firmware for classes of which one has a hostile name, made in a folder. */
export async function reportFolders(folder: string): Promise<readonly string[]> {
  await images(join(folder, 'images'), {
    'train/cat': 6,
    [`train/${hostile}`]: 6,
    'test/cat': 4,
    [`test/${hostile}`]: 4,
  });
  const data = ['--data', 'images', '--json'];
  const quick = ['--trial-steps', '4', '--proof-steps', '6', '--seeds', '2', '--budget', '100k'];
  for (const args of [
    ['train', ...data, '--scheme', 'bias:6,18:1/2', '--steps', '60', '--out', 'run'],
    ['search', ...data, ...quick, '--out', 'search'],
    ['compile', ...data, '--out', 'firmware'],
  ]) {
    const { code, stderr } = await tinytrain(args, folder);
    if (code !== 0) throw new Error(stderr);
  }
  return ['run', 'search', 'firmware'];
}
