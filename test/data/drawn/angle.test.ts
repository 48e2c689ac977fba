import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { asin, cos, sin } from '#tinytrain/data/drawn/angle.js';
import { Random } from '#tinytrain/random.js';

/** Angles of every size that is drawn, and those around multiples of an eighth of a turn, where bits cancel out. */
function angles(): number[] {
  const random = new Random(0);
  const any = Array.from({ length: 100_000 }, () => random.range(-100, 100));
  const around = Array.from(
    { length: 400 },
    (_, i) => ((i % 80) - 40) * (Math.PI / 4) + ([0, 1e-3, -1e-3, 1e-9, 1e-17][i % 5] ?? 0),
  );
  return [...any, ...around];
}

test('sine and cosine have the same bits on every machine, and are right to the last but one', t => {
  const list = angles();
  const hash = (of: (angle: number) => number) =>
    createHash('sha256')
      .update(new Uint8Array(Float64Array.from(list, of).buffer))
      .digest('hex')
      .slice(0, 16);
  t.is(hash(sin), '7936350f356e99e8');
  t.is(hash(cos), 'd2a139d858f71ed3');
  const near = (found: number, wanted: number) =>
    Math.abs(found - wanted) <= 2 ** -52 * Math.max(Math.abs(wanted), 2 ** -40);
  t.true(list.every(angle => near(sin(angle), Math.sin(angle)) && near(cos(angle), Math.cos(angle))));
  const sines = Array.from({ length: 1000 }, (_, i) => i * 0.000974);
  t.is(
    createHash('sha256')
      .update(new Uint8Array(Float64Array.from(sines, asin).buffer))
      .digest('hex')
      .slice(0, 16),
    '937edfc32ff2a2e2',
  );
  t.true(sines.every(sine => near(asin(sine), Math.asin(sine))));
  t.throws(() => asin(1), { instanceOf: RangeError });
  t.throws(() => sin(Number.NaN), { instanceOf: RangeError });
});

test('nothing is drawn with functions that a library computes', t => {
  const folder = new URL('../../../ts/data/drawn/', import.meta.url);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'));
  t.true(names.includes('gestures/motion.ts') || names.includes('gestures\\motion.ts'));
  for (const name of names) {
    const text = readFileSync(new URL(name, folder), 'utf8');
    const code = text.split('\n').filter(line => !line.trimStart().startsWith('//'));
    t.deepEqual(
      code.filter(line => /Math\.(?!(?:abs|floor|ceil|round|min|max|sqrt|PI|trunc|sign|imul)\b)/.test(line)),
      [],
      name,
    );
  }
});
