import test from 'ava';
import { estimateLines, stepTable, timeText, trainingText } from '#tinytrain/report/time.js';

const modelled = {
  milliseconds: { low: 140.2, likely: 165.4, high: 200.1 },
  clockHz: 216_000_000,
  source: 'modelled',
} as const;
const measured = {
  milliseconds: { low: 8.46, likely: 8.46, high: 8.46 },
  clockHz: 48_000_000,
  source: 'measured',
} as const;

test('a time says how it is known', t => {
  t.is(timeText(modelled, ' a step'), 'about 165 ms a step (140 to 200), modelled for 216 MHz, not measured');
  t.is(timeText(measured), '8.5 ms, measured at 48 MHz');
});

test('a training is told in minutes', t => {
  t.is(trainingText(modelled, 5000), 'about 13 min 47 s (11 min 41 s to 16 min 41 s) for 5,000 steps');
  t.is(trainingText(measured, 1000), '8.5 s for 1,000 steps');
});

test('what is not known is not said', t => {
  const instructions = { inference: 40_000_000, trainStep: 61_000_000 };
  t.deepEqual(estimateLines({ instructions, time: null }), [
    'inference  40,000,000 instructions',
    'training   61,000,000 instructions',
  ]);
  const step = { label: 'conv 0', kind: 'conv, window', instructions: 1234, milliseconds: null };
  t.regex(stepTable([step]), /0 {2}conv 0 {2}conv, window +1,234$/);
});
