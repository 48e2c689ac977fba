// Kills train, search and compile at random moments (SIGKILL) and goes on, over and over: what they end with must be what they end with undisturbed.
// The tests let every change of the disk fail in turn (test/crash.test.ts); this is the real signal, at any moment, with a real disk (docs/fuzzing.md).
//
//   npm run kills -- [--kills N] [--seed N] [train|search|compile...]     N kills of each, 100 by default
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { fail, root } from './lib/shell.mjs';

const { values, positionals } = parseArgs({
  options: { kills: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } },
  allowPositionals: true,
});
const wanted = Number(values.kills);
if (!(wanted > 0)) fail(`--kills ${values.kills}: expected a number above 0`);

let random = (Number(values.seed) * 2654435761) % 0x7fffffff || 1;
/** A number from 0 to 1, the same ones for a seed. */
function next() {
  random = (random * 48271) % 0x7fffffff;
  return random / 0x7fffffff;
}

const folder = mkdtempSync(join(tmpdir(), 'tinytrain-kills-'));
const images = join(folder, 'images');
const command = join(root, 'dist/cli/main.cjs');

/** Two classes of plain images. */
async function makeImages() {
  for (const [i, name] of ['train/cat', 'train/dog', 'test/cat', 'test/dog'].entries()) {
    mkdirSync(join(images, name), { recursive: true });
    for (let k = 0; k < 8; k++) {
      const background = { r: 31 * k, g: 60 * i, b: 255 - 30 * k };
      await sharp({ create: { width: 16, height: 16, channels: 3, background } }).toFile(
        join(images, name, `${k}.png`),
      );
    }
  }
}

/** Starts a command, and kills it as soon as `until` resolves, unless it has ended by then. Returns its exit code; null if it was killed. */
async function start(args, until = new Promise(() => {})) {
  const env = { ...process.env, TINYTRAIN_CACHE: join(folder, 'cache') };
  const child = spawn(process.execPath, [command, ...args], { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', text => {
    said += text;
  });
  const ended = new Promise(resolve => child.once('close', resolve));
  until.then(() => child.kill('SIGKILL'));
  const code = await ended;
  if (code !== 0 && code !== null) throw new Error(`tinytrain ${args.join(' ')} ends with ${code}:\n${said}`);
  return code;
}

/** Hashes of the files in a folder, by path. */
function contentOf(path) {
  const files = readdirSync(path, { recursive: true }).filter(name => statSync(join(path, name)).isFile());
  const hash = name =>
    createHash('sha256')
      .update(readFileSync(join(path, name)))
      .digest('hex');
  return JSON.stringify(Object.fromEntries(files.sort().map(name => [name, hash(name)])));
}

/** What a run or search has ended with: what another one with the same options ends with, too. */
function resultOf(out) {
  const read = name => readFileSync(join(out, name), 'utf8');
  if (existsSync(join(out, 'search.json'))) return read('search.json') + read('scheme.json');
  const { checksum, accuracy, curve } = JSON.parse(read('result.json'));
  return JSON.stringify({ checksum, accuracy, curve });
}

/** The time that a command takes, in milliseconds. */
async function timeOf(args) {
  const began = performance.now();
  await start(args);
  return performance.now() - began;
}

/** Begins, is killed, resumes, is killed... until it has ended; then anew, until there were enough kills. */
async function goingOn(name, options) {
  const whole = join(folder, `${name}-whole`);
  const most = await timeOf([name, ...options, '--out', whole]);
  const result = resultOf(whole);
  let kills = 0;
  let ends = 0;
  while (kills < wanted) {
    const out = join(folder, `${name}-${ends}`);
    // What was committed counts, also before it is in its place.
    const marks = [name === 'search' ? 'journal.jsonl' : 'run.json', '.tinytrain.new/commit.json'];
    const begun = () => marks.some(mark => existsSync(join(out, mark)));
    for (;;) {
      const args = begun() ? [name, '--resume', out] : [name, ...options, '--out', out];
      const killed = (await start(args, kills < wanted ? sleep(next() * most) : undefined)) === null;
      if (!killed) break;
      kills++;
    }
    if (resultOf(out) !== result) throw new Error(`${out}: not what it ends with undisturbed`);
    const left = readdirSync(out).filter(file => file.startsWith('.'));
    if (left.length > 0) throw new Error(`${out}: ${left.join(', ')} was left`);
    ends++;
  }
  return `${name}: ${kills} kills, ${ends} times to the end, each time with the same result`;
}

/** Resolves when a compile begins to write; at last after so many milliseconds. What an earlier one has left does not count. */
async function writing(out, limit) {
  const began = Date.now();
  const begun = () => (statSync(join(out, '.tinytrain.new'), { throwIfNoEntry: false })?.ctimeMs ?? 0) >= began;
  while (!begun() && Date.now() - began < limit) await sleep(1);
  return performance.now();
}

/** A firmware is written over another one; in between it is one of the two, and nothing else. */
async function compiling() {
  const schemes = ['head', 'bias:4'];
  const compile = (scheme, out) => ['compile', '--data', images, '--scheme', scheme, '--out', out];
  const contents = [];
  const out = join(folder, 'firmware');
  let [most, longest] = [0, 0];
  for (const scheme of schemes) {
    const began = performance.now();
    const [written] = await Promise.all([writing(out, 60_000), start(compile(scheme, out))]);
    most = performance.now() - began;
    longest = performance.now() - written;
    contents.push(contentOf(out));
  }
  // Any moment, but mostly one while it writes.
  const moment = async () => {
    if (next() < 0.2) return sleep(next() * most);
    await writing(out, 2 * most);
    return sleep(next() * longest);
  };
  const ends = [0, 0];
  let at = 1;
  for (let kills = 0; kills < wanted; ) {
    const other = 1 - at;
    const killed = (await start(compile(schemes[other], out), moment())) === null;
    if (killed) kills++;
    // Every reader ends what was committed; another process at work would be told.
    const copy = join(folder, 'copy');
    cpSync(out, copy, { recursive: true });
    await start(['report', copy, '--out', join(folder, 'report.html'), '--overwrite']);
    for (const name of readdirSync(copy)) if (/^\.(tinytrain\.lock|.*unfinished)$/.test(name)) rmSync(join(copy, name));
    if (existsSync(join(copy, '.tinytrain.new'))) rmSync(join(copy, '.tinytrain.new'), { recursive: true });
    at = contents.indexOf(contentOf(copy));
    rmSync(copy, { recursive: true });
    if (at < 0) throw new Error(`${out}: neither the old firmware nor the new one`);
    if (killed) ends[at === other ? 1 : 0]++;
  }
  return `compile: ${wanted} kills, then the old firmware ${ends[0]} times and the new one ${ends[1]} times, complete`;
}

const works = {
  train: () =>
    goingOn('train', [
      ...['--data', images, '--scheme', 'bias:4', '--lr', '0.01', '--keep', 'last'],
      ...['--steps', '300', '--checkpoint', '0'],
    ]),
  // The smaller model: its candidates are planned sooner, which is not kept in the journal.
  search: () =>
    goingOn('search', [
      ...['--task', 'gestures', '--budget', '32k'],
      ...['--trial-steps', '4', '--proof-steps', '6', '--seeds', '2'],
    ]),
  compile: compiling,
};
const unknown = positionals.find(name => !(name in works));
if (unknown) fail(`there is no ${unknown}`, [`one of: ${Object.keys(works).join(', ')}`]);

try {
  await makeImages();
  for (const name of positionals.length > 0 ? positionals : Object.keys(works)) console.log(await works[name]());
  rmSync(folder, { recursive: true });
} catch (error) {
  fail(error.message, [`everything is still in ${folder}`]);
}
