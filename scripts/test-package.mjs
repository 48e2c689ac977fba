// Packs the package, installs the tarball in an empty folder without Rust on the PATH, and uses it as a user would: command, import, types.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fail, has, read, root } from './lib/shell.mjs';

const folder = mkdtempSync(join(tmpdir(), 'tinytrain-package-'));
// Node and what a shell needs, without cargo.
const env = { ...process.env, PATH: [dirname(process.execPath), '/usr/bin', '/bin'].join(':') };
const inFolder = { cwd: folder, env };

function expect(ok, what) {
  if (!ok) fail(`the installed package: ${what}`);
  console.log(`ok: ${what}`);
}

try {
  const [{ filename, files, size }] = JSON.parse(
    read('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]),
  );
  const paths = files.map(({ path }) => path);
  expect(
    paths.some(path => path.endsWith('.node')),
    `holds the addon (${files.length} files, ${size} B)`,
  );
  expect(
    !paths.some(path => /^(crates\/.*\.rs|ts\/|test\/|scripts\/)/.test(path)),
    'holds no sources of ours but C kernels',
  );

  writeFileSync(
    join(folder, 'package.json'),
    '{ "name": "empty", "version": "1.0.0", "private": true, "type": "module" }',
  );
  read('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, filename)], inFolder);

  const inspected = JSON.parse(read('npx', ['--no-install', 'tinytrain', 'inspect', '--json'], inFolder));
  expect(inspected.layers.length > 0, '`npx tinytrain inspect --json` shows the default model');

  if (has('arm-none-eabi-gcc') && has('make')) {
    // A board of the user's own, as docs/boards.md has it: here a shipped one under another name.
    const shipped = join(folder, 'node_modules', 'tinytrain', 'device', 'boards', 'qemu-mps2-an386');
    for (const file of ['board.toml', 'board.c', 'flash.c'])
      cpSync(join(shipped, file), join(folder, 'my-board', file));
    read('npx', ['--no-install', 'tinytrain', 'board', 'my-board'], inFolder);
    read('npx', ['--no-install', 'tinytrain', 'compile', '--target', 'my-board', '--out', 'firmware'], inFolder);
    read('make', ['-s', '-C', 'firmware', 'STRICT=1'], inFolder);
    expect(true, 'a board of the user’s is prepared, compiled for and built');
  }

  const script = `
    import { loadModel, TinytrainError } from 'tinytrain';
    const model = await loadModel();
    const { height, width, channels } = model.input;
    const { outputs } = await model.forward(new Int8Array(height * width * channels));
    const error = await loadModel('none').catch(e => e);
    console.log(outputs.length > 0 && error instanceof TinytrainError && error.code);`;
  writeFileSync(join(folder, 'use.mjs'), script);
  expect(
    read('node', ['use.mjs'], inFolder).trim() === 'FILE_ERROR',
    '`import ... from "tinytrain"` runs a model and has typed errors',
  );

  const typed = `
    import { loadModel, type ForwardResult } from 'tinytrain';
    const model = await loadModel('x.tflite');
    const found: ForwardResult = await model.forward(new Int8Array(1), { tensors: true });
    export const first: Int8Array | undefined = found.tensors.get(0) ?? found.outputs[0];`;
  writeFileSync(join(folder, 'use.ts'), typed);
  const compilerOptions = { strict: true, noEmit: true, target: 'es2023', module: 'nodenext', types: ['node'] };
  // A Node service in TypeScript has Node's types itself; this package need not provide them.
  Object.assign(compilerOptions, { typeRoots: [join(root, 'node_modules', '@types')] });
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts'] }));
  read('node', [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder], inFolder);
  expect(true, 'its types are found');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
