// The packages of a release, as napi-rs lays them out: `tinytrain`, which holds no compiled code, and one package for each platform, which npm chooses from by its
// `os`, `cpu` and `libc`. The package that is packed in a clone instead holds the addon of this machine, and needs no other.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fail, read, root } from './shell.mjs';
import { thirdPartyFile } from './third-party.mjs';

/** Where the folders and tarballs of a release are made. */
const packagesFolder = join(root, 'build', 'npm');

/** Each platform's target for Rust. `glibc` is the oldest that it is linked for, `on` the system that alone can build it. */
export const platforms = {
  'linux-x64-gnu': { target: 'x86_64-unknown-linux-gnu', glibc: '2.17' },
  'linux-x64-musl': { target: 'x86_64-unknown-linux-musl' },
  'linux-arm64-gnu': { target: 'aarch64-unknown-linux-gnu', glibc: '2.17' },
  'linux-arm64-musl': { target: 'aarch64-unknown-linux-musl' },
  'wasm32-wasi': { target: 'wasm32-wasip1-threads' },
  'darwin-arm64': { target: 'aarch64-apple-darwin', on: 'darwin' },
  'darwin-x64': { target: 'x86_64-apple-darwin', on: 'darwin' },
  'win32-x64-msvc': { target: 'x86_64-pc-windows-msvc', on: 'win32' },
};

/** The platform of this machine. */
export function host() {
  const libc = process.report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl';
  return `${process.platform}-${process.arch}${process.platform === 'linux' ? `-${libc}` : ''}`;
}

const json = path => JSON.parse(readFileSync(path, 'utf8'));

function write(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

/** What of dist/ is compiled code, loads it, or goes along with it: files of the platforms' packages. */
const isBuilt = path => /^dist\/(tinytrain\.|wasi-|browser\.js|THIRD-PARTY)/.test(path);

/**
 * Makes the folder of `tinytrain`: the files that npm would pack, without compiled code, and a package.json with nothing for developers in it. It names the
 * platforms that are built on Linux, which belong to every release, and of the others those that are packed with it.
 */
function stageMain(packages, packed) {
  const folder = join(packages, 'tinytrain');
  const [{ files }] = JSON.parse(read('npm', ['pack', '--dry-run', '--json', '--ignore-scripts']));
  for (const { path } of files) if (!isBuilt(path)) copy(join(root, path), join(folder, path));
  const {
    scripts,
    devDependencies,
    napi,
    ava,
    overrides,
    '//overrides': why,
    ...rest
  } = json(join(root, 'package.json'));
  const named = Object.keys(platforms).filter(name => platforms[name].on === undefined || packed.includes(name));
  const names = named.map(platform => [`tinytrain-${platform}`, rest.version]);
  const manifest = {
    ...rest,
    files: rest.files.filter(name => name !== 'dist/*.node' && name !== `dist/${thirdPartyFile}`),
    optionalDependencies: Object.fromEntries(names),
  };
  write(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  return folder;
}

/** The version of a package as it is installed here, which is the one that was tested. */
const installed = name => json(join(root, 'node_modules', name, 'package.json')).version;

/** Puts what was built for a platform, found in `built`, beside its package.json. */
function stagePlatform(packages, platform, built) {
  const folder = join(packages, platform);
  const manifest = json(join(folder, 'package.json'));
  manifest.files.push(thirdPartyFile);
  for (const name of manifest.files) {
    const from = join(built, name);
    if (!existsSync(from)) fail(`${from} is missing`, [`\`node scripts/platforms.mjs ${platform}\` builds it`]);
    copy(from, join(folder, name));
  }
  for (const name of Object.keys(manifest.dependencies ?? {})) manifest.dependencies[name] = installed(name);
  write(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  copy(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  return folder;
}

/**
 * Makes and packs `tinytrain` and the packages of some platforms, each with the folder that it was built into. Returns the tarballs by package name, with the
 * files and the size of each.
 */
export function packRelease(builds, packages = packagesFolder) {
  rmSync(packages, { recursive: true, force: true });
  read('npx', ['--no-install', 'napi', 'create-npm-dirs', '--npm-dir', packages]);
  const folders = [
    stageMain(packages, Object.keys(builds)),
    ...Object.entries(builds).map(([platform, built]) => stagePlatform(packages, platform, built)),
  ];
  return folders.map(folder => {
    const [{ name, filename, files, size, unpackedSize }] = JSON.parse(
      read('npm', ['pack', '--json', '--pack-destination', packages], { cwd: folder }),
    );
    return { name, tarball: join(packages, filename), files: files.map(({ path }) => path), size, unpackedSize };
  });
}
