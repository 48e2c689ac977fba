import { constants, promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import sharp from 'sharp';

/** A folder that is gone when the test ends. */
export async function temporary(t: ExecutionContext): Promise<string> {
  const folder = await fs.mkdtemp(join(tmpdir(), 'tinytrain-test-'));
  t.teardown(() => fs.rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The same where syncing a file takes no time, if there is such a place: for tests that write very often. */
export async function quick(t: ExecutionContext): Promise<string> {
  const shared = '/dev/shm';
  const there = await fs.access(shared, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!there) return temporary(t);
  const folder = await fs.mkdtemp(join(shared, 'tinytrain-test-'));
  t.teardown(() => fs.rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files by their paths inside a folder. */
export async function write(folder: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await fs.mkdir(dirname(path), { recursive: true });
    await fs.writeFile(path, content);
  }
}

/** Everything in a folder, by path. */
export async function contentOf(folder: string): Promise<Record<string, string>> {
  const names = await fs.readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter(entry => !entry.isDirectory()).map(entry => join(entry.parentPath, entry.name));
  const read = files
    .sort()
    .map(async path => [path.slice(folder.length + 1), await fs.readFile(path, 'utf8')] as const);
  return Object.fromEntries(await Promise.all(read));
}

/** A plain PNG. */
export function plain(color: string, width = 8, height = 8): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: color } })
    .png()
    .toBuffer();
}

/** Folders of plain images: a number per path, each image a little different. */
export async function images(folder: string, counts: Readonly<Record<string, number>>): Promise<void> {
  let hue = 0;
  for (const [path, count] of Object.entries(counts)) {
    await fs.mkdir(join(folder, path), { recursive: true });
    for (let i = 0; i < count; i++) {
      hue = (hue + 37) % 360;
      await fs.writeFile(
        join(folder, path, `${String(i).padStart(3, '0')}.png`),
        await plain(`hsl(${hue}, 80%, ${30 + i}%)`),
      );
    }
  }
}

/** Two classes with images to train and to test on. */
export function smallSet(folder: string, train = 6, test = 3): Promise<void> {
  return images(folder, { 'train/cat': train, 'train/dog': train, 'test/cat': test, 'test/dog': test });
}
