// Fuzzes the readers of untrusted files with libFuzzer (docs/fuzzing.md).
//
//   npm run fuzz -- [--minutes N] [TARGET...]     N minutes for each target, 10 by default
//
// Inputs that reach new code are kept in fuzz/corpus; one that fails is written to fuzz/artifacts and belongs into fuzz/regressions/TARGET once it is mended.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fail, has, read, root } from './lib/shell.mjs';

const { values, positionals } = parseArgs({
  options: { minutes: { type: 'string', default: '10' } },
  allowPositionals: true,
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) fail(`--minutes ${values.minutes}: expected a number above 0`);
if (!has('cargo') || !has('c++')) fail('fuzzing needs cargo and a C++ compiler, for libFuzzer itself');

// The tests write what libFuzzer begins with.
const test = ['test', '--release', '--locked', '-p', 'tinytrain-fuzz', '--test', 'short', 'seeds'];
const seeded = spawnSync('cargo', test, { cwd: root, stdio: 'inherit', env: { ...process.env, TINYTRAIN_WRITE: '1' } });
if (seeded.status !== 0) fail('the seeds could not be made');
const known = readdirSync(`${root}/fuzz/corpus`).sort();
const targets = positionals.length > 0 ? positionals : known;
const unknown = targets.find(name => !known.includes(name));
if (unknown) fail(`there is no target ${unknown}`, [`targets: ${known.join(', ')}`]);

// Coverage as libFuzzer counts it; without a sanitizer, which needs an unstable compiler: Rust's own checks are what can fail.
const flags = [
  '-Cpasses=sancov-module',
  ...['level=4', 'inline-8bit-counters', 'pc-table', 'trace-compares'].map(
    one => `-Cllvm-args=-sanitizer-coverage-${one}`,
  ),
  '-Ccodegen-units=1',
];
const host = /^host: (.*)$/m.exec(read('rustc', ['-vV']))?.[1] ?? '';
const build = ['build', '--release', '--manifest-path', `${root}/fuzz/Cargo.toml`, '--target', host];
const env = { ...process.env, RUSTFLAGS: flags.join(' ') };
if (spawnSync('cargo', build, { stdio: 'inherit', env }).status !== 0) fail('the fuzzer could not be built');

for (const name of targets) {
  const folder = kind => `${root}/fuzz/${kind}/${name}`;
  for (const kind of ['corpus', 'artifacts']) mkdirSync(folder(kind), { recursive: true });
  const limits = [`-max_total_time=${Math.round(60 * minutes)}`, '-timeout=30', '-rss_limit_mb=4096', '-max_len=65536'];
  const args = [...limits, `-artifact_prefix=${folder('artifacts')}/`, '-print_final_stats=1', folder('corpus')];
  const { status } = spawnSync(`${root}/fuzz/target/${host}/release/fuzz`, args, {
    stdio: 'inherit',
    env: { ...process.env, TINYTRAIN_TARGET: name },
  });
  if (status !== 0) fail(`${name} failed: the input is in fuzz/artifacts/${name}`);
}
