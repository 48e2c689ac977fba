import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

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

test('licences: what is not allowed is seen', t => {
  t.false(isAllowed('GPL-3.0-only'));
  t.false(isAllowed('MIT AND GPL-3.0-only'));
  t.false(isAllowed('none'));
  t.true(isAllowed('(MIT OR Apache-2.0) AND Unicode-3.0'));
  t.true(isAllowed('MIT OR LGPL-2.1-or-later'));
});
