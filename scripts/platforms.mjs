// Builds and packs a release: `tinytrain` and the packages of platforms, into build/npm.
//
//   node scripts/platforms.mjs                  all platforms that are built on Linux
//   node scripts/platforms.mjs PLATFORM...      these
//   node scripts/platforms.mjs --pack [...]     packs what was built before
//
// zig links for glibc 2.17, musl and aarch64, as cargo-zigbuild drives it; both come as Python packages. Each platform takes minutes.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { env, platform } from 'node:process';
import { buildAddon } from './lib/addon.mjs';
import { packRelease, platforms } from './lib/packages.mjs';
import { fail, has, root, run, tried } from './lib/shell.mjs';

const ZIG = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.1'];
const tools = join(root, 'target', 'zig');

const args = process.argv.slice(2);
const packOnly = args.includes('--pack');
const asked = args.filter(arg => !arg.startsWith('--'));
const names = asked.length > 0 ? asked : Object.keys(platforms).filter(name => platforms[name].on === undefined);
for (const name of names) {
  if (!(name in platforms)) fail(`${name} is no platform`, [`choose from ${Object.keys(platforms).join(', ')}`]);
}

/** The environment in which `cargo zigbuild` is found; installs it if it is missing. */
function withZig() {
  const bin = join(tools, 'bin');
  if (!existsSync(join(bin, 'cargo-zigbuild'))) {
    if (!has('python3')) fail('cross-compiling needs python3, which brings zig');
    run('python3', ['-m', 'pip', 'install', '--quiet', '--upgrade', '--target', tools, ...ZIG]);
  }
  return { ...env, PATH: `${bin}:${env.PATH}`, PYTHONPATH: tools };
}

function build(name) {
  const { target, glibc, on } = platforms[name];
  if (on !== undefined && on !== platform) fail(`${name} is built on ${on} only, and this is ${platform}`);
  if (!has('rustup')) fail('building for other platforms needs rustup');
  if (!tried('rustup', ['target', 'add', target])) fail(`Rust's standard library for ${target} cannot be installed`);
  const folder = join(root, 'build', 'platforms', name);
  console.log(`building ${name}`);
  if (on !== undefined || name === 'wasm32-wasi') buildAddon(folder, ['--target', target]);
  else buildAddon(folder, ['--cross-compile', '--target', glibc ? `${target}.${glibc}` : target], { env: withZig() });
}

if (!packOnly) names.forEach(build);
const packages = packRelease(Object.fromEntries(names.map(name => [name, join(root, 'build', 'platforms', name)])));
for (const { name, tarball, files, size, unpackedSize } of packages) {
  console.log(`${name}  ${files.length} files, ${size} B packed, ${unpackedSize} B unpacked\n  ${tarball}`);
}
