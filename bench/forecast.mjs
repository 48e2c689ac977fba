// How far is the forecast of a training step from what QEMU counts? Prints the table of docs/search.md.
//
//   node bench/forecast.mjs [--models DIR --data DIR]
//
// Without a folder of models, those of the embedded default only; --data is a folder of 10 classes of images that calibrates the others.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { models, data } = parseArgs({ options: { models: { type: 'string' }, data: { type: 'string' } } }).values;
const main = fileURLToPath(new URL('../dist/cli/main.cjs', import.meta.url));
const published = 'bias:20,24:1/4,27:1/2,30:1/2';

const rows = [
  { scheme: 'head' },
  { scheme: 'head', budget: 20_000 },
  { scheme: 'bias:12,7:1,18:1/2' },
  { scheme: 'bias:21,11:1,12:1,14:1,15:1,17:1,18:1' },
  { scheme: 'bias:10,12:1/2,18:1', bits: 0 },
  { model: 'mcunet-5fps.pkl', scheme: 'head', input: '128x128' },
  { model: 'mcunet-5fps.pkl', scheme: published, input: '128x128' },
  { model: 'mcunet-5fps.pkl', scheme: published, input: '128x128', budget: 98_304 },
  { model: 'mbv2-w0.35.pkl', scheme: 'bias:12', input: '128x128' },
  { model: 'vww_96_int8.tflite', scheme: 'bias:8,20:1,24:1/2' },
  { model: 'mcunet-vww-80.tflite', scheme: 'bias:20,24:1/4,30:1' },
  { model: 'person_detect.tflite', scheme: 'bias:10,20:1,22:1/2' },
  { model: 'person_detect.tflite', scheme: 'bias:14,20:1,22:1,24:1/2' },
  { model: 'tinymaix-mnist_dw_q.tflite', scheme: 'head' },
];

const work = mkdtempSync(join(tmpdir(), 'tinytrain-forecast-'));
const tinytrain = (...args) =>
  JSON.parse(execFileSync(process.execPath, [main, ...args, '--json'], { stdio: ['ignore', 'pipe', 'ignore'] }));
const million = n => `${(n / 1e6).toFixed(2)} M`;
try {
  console.log('| Program | SRAM | predicted | counted in QEMU | error | time |\n| --- | --- | --- | --- | --- | --- |');
  for (const { model, scheme, input, budget, bits } of rows) {
    if (model && !(models && existsSync(join(models, model)))) continue;
    const of = model ? ['--model', join(models, model), '--data', data] : [];
    const optional = Object.entries({ input, budget, 'residual-bits': bits }).filter(
      ([, value]) => value !== undefined,
    );
    const options = optional.flatMap(([name, value]) => [`--${name}`, String(value)]);
    const { memory, time, instructions } = tinytrain('compile', ...of, '--scheme', scheme, ...options, '--out', work);
    const counted = tinytrain('run', work, '--steps', '2', '--predictions', '1').instructions.trainStep;
    const predicted = instructions.trainStep;
    const error = (100 * (predicted / counted - 1)).toFixed(1);
    const { low, likely, high } = time.trainStep.milliseconds;
    const ms = n => n.toFixed(n < 10 ? 1 : 0);
    const cells = [
      `${model ?? 'default'}, \`${scheme}\`${bits === 0 ? ', no residual bits' : ''}`,
      `${memory.sram.total.toLocaleString('en')} B`,
      million(predicted),
      million(counted),
      `${error} %`,
      `${ms(likely)} ms (${ms(low)} to ${ms(high)})`,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
