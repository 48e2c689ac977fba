import { spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { defaultModelPath } from '#tinytrain';
import { tinytrain } from './helpers/cli.js';
import { has } from './helpers/firmware.js';
import { images, smallSet, temporary } from './helpers/folder.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The README's blocks in a language. */
async function blocks(language: string): Promise<readonly string[]> {
  const text = await fs.readFile(join(root, 'README.md'), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].filter(m => m[1] === language).map(m => m[2] ?? '');
}

/** A reader's files beside the commands: a model of their own, images, a photo. */
async function readersFolder(folder: string): Promise<void> {
  await fs.copyFile(defaultModelPath, join(folder, 'mynet.tflite'));
  await smallSet(join(folder, 'images'));
  await images(join(folder, 'more-images'), { 'train/cat': 6, 'train/fox': 6, 'test/cat': 3, 'test/fox': 3 });
  await fs.copyFile(join(folder, 'images/test/cat/000.png'), join(folder, 'photo.jpg'));
}

test('every command of the README does what it says', async t => {
  const folder = await temporary(t);
  await readersFolder(folder);
  const lines = (await blocks('sh')).flatMap(block => block.split('\n'));
  const commands = lines.flatMap(line => line.split(' && ')).filter(line => line.startsWith('npx tinytrain '));
  t.true(commands.length >= 6);
  for (const line of commands) {
    const args = line.split(' ').slice(2);
    if (args[0] === 'run' && !has('arm-none-eabi-gcc', 'qemu-system-arm')) {
      t.log('skipped: arm-none-eabi-gcc or qemu-system-arm is missing');
      continue;
    }
    // What is searched for in minutes is here searched for in seconds.
    if (args[0] === 'search') args.push('--trial-steps', '60', '--proof-steps', '120', '--seeds', '1');
    const { code, stdout, stderr } = await tinytrain(args, folder);
    t.is(code, 0, `${line}\n${stderr}`);
    t.not(stdout, '');
  }
});

test('the README’s program for Node runs', async t => {
  // Inside the package, so that it imports it by its name.
  const folder = await fs.mkdtemp(join(root, 'dist-test', 'readme-'));
  t.teardown(() => fs.rm(folder, { recursive: true, force: true }));
  await readersFolder(folder);
  const [program] = await blocks('js');
  await fs.writeFile(join(folder, 'program.mjs'), program ?? '');
  const { status, stdout, stderr } = spawnSync(process.execPath, ['program.mjs'], { cwd: folder, encoding: 'utf8' });
  t.is(status, 0, stderr);
  t.regex(stdout, /before.*after/s);
});
