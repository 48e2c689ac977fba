import test from 'ava';
import { learningCurve, memoryMap, memoryTable, type ProgramRecord } from '#tinytrain';
import { duration, percent, table, thousands } from '#tinytrain/format.js';

test('numbers are exact, with thousands separators', t => {
  t.deepEqual([0, 999, 1000, 1234567].map(thousands), ['0', '999', '1,000', '1,234,567']);
  t.is(percent(0.7684), '76.8 %');
  t.deepEqual([0.04, 12.3, 89, 3725].map(duration), ['0.0 s', '12 s', '89 s', '62 min 5 s']);
});

test('columns of numbers are set to the right', t => {
  t.is(
    table(
      [
        ['name', 5],
        ['n', 12345],
      ],
      '',
    ),
    'name       5\nn     12,345',
  );
});

test('the memory table adds up and says what the budget is', t => {
  const memory = {
    target: 'board',
    sram: { total: 3000, available: 8192 },
    flash: { total: 10, available: 100 },
    stack: 0,
    bound: 0,
    stackPath: [],
    items: [
      { name: 'arena', region: 'sram', bytes: 2000, exact: true },
      { name: 'head', region: 'sram', bytes: 1000, exact: true },
      { name: 'code', region: 'flash', bytes: 10, exact: false },
    ],
  } as const;
  const text = memoryTable(memory, { budget: 4096 });
  t.regex(text, /total\s+3,000\s+of 4,096/);
  t.regex(text, /total\s+10\s+at most\s+of 100/);
});

test('the map shows a buffer where and when it lives', t => {
  const record = {
    arenaBytes: 1600,
    plan: { total: 1600, lowerBound: 1600 },
    forward: 2,
    steps: [{}, {}, {}, {}],
    buffers: [
      { label: 'input', purpose: 'input', size: 800, offset: 0, windows: [{ start: 0, end: 2, lo: 0, hi: 800 }] },
      {
        label: 'output',
        purpose: 'activation',
        size: 1600,
        offset: 0,
        windows: [{ start: 2, end: 4, lo: 0, hi: 1600 }],
      },
    ],
  } as unknown as ProgramRecord;
  const lines = memoryMap(record).split('\n');
  t.is(lines[0], 'arena, 1,600 B over 4 steps, 0.0 % above the lower bound of 1,600 B');
  t.deepEqual(
    lines.slice(1, 17).map(line => line.slice(12)),
    [...Array(8).fill('..bb'), ...Array(8).fill('aabb')],
  );
});

test('the map shows the live bytes of a buffer alone', t => {
  const windows = [
    { start: 0, end: 1, lo: 0, hi: 1600 },
    { start: 1, end: 2, lo: 800, hi: 1600 },
  ];
  const record = {
    arenaBytes: 1600,
    plan: { lowerBound: 1600 },
    forward: 2,
    steps: [{}, {}],
    buffers: [{ label: 'rows', purpose: 'activation', size: 1600, offset: 0, windows }],
  } as unknown as ProgramRecord;
  const lines = memoryMap(record).split('\n').slice(1, 17);
  t.deepEqual(
    lines.map(line => line.slice(12)),
    [...Array(8).fill('aa'), ...Array(8).fill('a.')],
  );
});

test('the map fits 80 columns; each letter stands for one buffer, and long ones have one however small they are', t => {
  const steps = Array.from({ length: 200 }, (_, i) => ({ label: `conv ${i}` }));
  const short = steps.map((_, i) => ({
    label: `conv ${i}`,
    purpose: 'activation',
    size: 900,
    offset: 100,
    windows: [{ start: i, end: i + 1, lo: 0, hi: 900 }],
  }));
  const mask = {
    label: 'mask 3',
    purpose: 'mask',
    size: 100,
    offset: 0,
    windows: [{ start: 3, end: 190, lo: 0, hi: 100 }],
  };
  const record = { arenaBytes: 1000, plan: { lowerBound: 1000 }, forward: 100, steps, buffers: [...short, mask] };
  const lines = memoryMap(record as unknown as ProgramRecord).split('\n');
  t.true(Math.max(...lines.map(line => line.length)) <= 80);
  const letters = lines.slice(19).map(line => line.trim().split(' ')[0]);
  t.is(new Set(letters).size, letters.length);
  t.regex(lines.find(line => line.includes('mask')) ?? '', /mask of conv 3 +100 +steps 3\.\.190/);
});

test('the curve has a column a point', t => {
  const text = learningCurve([
    { step: 10, loss: 2, accuracy: 0 },
    { step: 20, loss: 1, accuracy: 1 },
  ]);
  t.regex(text, /100 % {2}█/);
  t.regex(text, /step 20: 100\.0 %, loss 2\.000 -> 1\.000/);
  t.is(learningCurve([]), '');
});
