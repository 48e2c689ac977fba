import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { reportPage } from '#tinytrain';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Licences under which a package may be part of ours, which is under MIT. */
const allowed = new Set([
  'MIT',
  'Apache-2.0',
  'ISC',
  '0BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Unlicense',
  'Unicode-3.0',
  'Zlib',
]);
/** The image library that `sharp` brings, as a shared library of its own. */
const libvips = /^node_modules\/@img\/sharp-/;

/** Whether an SPDX expression can be met: one side of every `OR`, both of an `AND`. */
function isAllowed(expression: string, more: readonly string[] = []): boolean {
  const whole = expression.replace(/[()]/g, '').replaceAll('/', ' OR ');
  return whole
    .split(' AND ')
    .every(part => part.split(' OR ').some(name => allowed.has(name.trim()) || more.includes(name.trim())));
}

test('licences: every package that ours brings along may be brought along', t => {
  const lock = JSON.parse(readFileSync(`${root}/package-lock.json`, 'utf8')) as {
    packages: Record<string, { license?: string; dev?: boolean; integrity?: string }>;
  };
  const brought = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && !dev);
  for (const [path, { license, integrity }] of brought) {
    const more = libvips.test(path) ? ['LGPL-3.0-or-later'] : [];
    t.true(isAllowed(license ?? 'none', more), `${path}: ${license}`);
    // From a registry, which alone gives a hash.
    t.truthy(integrity, `${path}: no hash of its content`);
  }
  t.true(brought.length > 20);
});

test('licences: every crate may be linked', t => {
  const text = execFileSync('cargo', ['metadata', '--offline', '--locked', '--format-version', '1'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const { packages } = JSON.parse(text) as {
    packages: { name: string; license: string | null; source: string | null }[];
  };
  for (const { name, license, source } of packages) {
    t.true(isAllowed(license ?? 'none'), `${name}: ${license}`);
    // Ours, or from the registry; nothing from a repository or another place.
    t.regex(source ?? 'registry+', /^registry\+/, `${name}: ${source}`);
  }
  t.true(packages.length > 50);
});

test('licences: the texts of what is linked go along with the addon, none missing', async t => {
  const { thirdPartyText } = (await import(`${root}/scripts/lib/third-party.mjs`)) as {
    thirdPartyText(target: string): string;
  };
  for (const target of ['x86_64-unknown-linux-gnu', 'aarch64-unknown-linux-musl', 'wasm32-wasip1-threads']) {
    const tree = ['-p', 'tinytrain-napi', '--edges', 'normal,no-proc-macro', '--target', target, '--prefix', 'none'];
    const listed = execFileSync('cargo', ['tree', '--offline', '--locked', ...tree, '--format', '{p}'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const crates = [...new Set(listed.split('\n').map(line => line.replace(/ \(\*\)$/, '')))].filter(
      line => line !== '' && !line.includes(root.replace(/\/$/, '')),
    );
    t.true(crates.length > 30, target);
    const text = thirdPartyText(target);
    // Names stand between two lines, and the text they come with below.
    const [, ...parts] = text.split(/^={80}$/m);
    const named = parts.filter((_, i) => i % 2 === 0).flatMap(names => names.trim().split('\n'));
    const texts = parts.filter((_, i) => i % 2 === 1);
    for (const crate of crates) {
      const name = crate.replace(/ v(\d)/, ' $1');
      t.true(
        named.some(line => line.startsWith(`${name}: `)),
        `${target}: ${crate}`,
      );
    }
    t.true(named.some(line => line.startsWith("Rust's standard library")));
    t.is(
      named.some(line => line.startsWith('emnapi ')),
      target.startsWith('wasm'),
    );
    t.is(texts.length, parts.length / 2);
    for (const words of texts) t.regex(words, /permission|permitted|licen[cs]e|public domain/i, target);
  }
});

test('licences: a report that holds the plotting library holds its licence', async t => {
  const { resolve } = createRequire(import.meta.url);
  const licence = readFileSync(resolve('uplot/LICENSE'), 'utf8').trim();
  t.true((await reportPage({ tinytrain: '0.0.0', entries: [] })).includes(licence));
});

test('licences: what is not allowed is seen', t => {
  t.false(isAllowed('GPL-3.0-only'));
  t.false(isAllowed('MIT AND GPL-3.0-only'));
  t.false(isAllowed('none'));
  t.true(isAllowed('(MIT OR Apache-2.0) AND Unicode-3.0'));
  t.true(isAllowed('MIT OR LGPL-2.1-or-later'));
});
