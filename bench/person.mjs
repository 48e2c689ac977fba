// Person detection, adapted in ten minutes of an STM32F746 within 256 KB of SRAM: accuracy on test images before, after each minute and at the end, for models that
// learn it in different ways. Prints the table of docs/demo.md and draws docs/person.svg.
//
//   node bench/person.mjs --models DIR --data DIR [--device-steps N]
//
// DIR with `mcunet-5fps.pkl` of the reference and `person_detect.tflite` of LiteRT for Microcontrollers, and a folder with the classes background and person in
// train/ and test/. Each model is a `tinytrain demo`; QEMU repeats the first N steps of each.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { courseFigure } from '../dist/report/course.js';

const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    data: { type: 'string' },
    'device-steps': { type: 'string', default: '100' },
  },
});
const command = fileURLToPath(new URL('../dist/cli/main.cjs', import.meta.url));
const mcunet = ['--model', join(values.models, 'mcunet-5fps.pkl'), '--input', '128x128'];
const own = ['--model', join(values.models, 'person_detect.tflite'), '--map', 'background=0,person=1'];
const demos = [
  ['MCUNet-5FPS, new head, 49 KB scheme', [...mcunet, '--scheme', 'bias:20,24:1/4,27:1/2,30:1/2']],
  ['MCUNet-5FPS, new head, head only', [...mcunet, '--scheme', 'head']],
  ['person_detect, its own classifier', [...own, '--scheme', 'bias:14,20:1,22:1,24:1/2']],
];

const percent = share => `${(100 * share).toFixed(1)} %`;
const bytes = n => `${n.toLocaleString('en')} B`;
const row = cells => console.log(`| ${cells.join(' | ')} |`);

const folder = mkdtempSync(join(tmpdir(), 'tinytrain-person-'));
try {
  const found = demos.map(([name, args], i) => {
    const options = ['--data', values.data, '--device-steps', values['device-steps'], '--json'];
    const all = [command, 'demo', ...args, ...options, '--out', join(folder, String(i))];
    const output = execFileSync(process.execPath, all, { stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 26 });
    return { name, ...JSON.parse(output) };
  });
  row(['', ...found.map(({ name }) => name)]);
  row(found.map(() => '---').concat('---'));
  const line = (what, of) => row([what, ...found.map(of)]);
  line('SRAM in all, linked', ({ memory }) => bytes(memory.sram.total));
  line('flash, at most', ({ memory }) => bytes(memory.flash.total));
  line('a step, modelled', ({ time }) => {
    const { low, likely, high } = time.trainStep.milliseconds;
    return `${likely.toFixed(0)} ms (${low.toFixed(0)} to ${high.toFixed(0)})`;
  });
  line('steps in 10 minutes', ({ steps }) => steps.toLocaleString('en'));
  for (const { minute } of found[0].course) {
    line(minute === 0 ? 'before' : `minute ${minute}`, ({ course }) => percent(course[minute].accuracy));
  }
  line('first steps repeated in QEMU', ({ device }) =>
    device === null ? 'none' : `${device.steps}, ${device.equal ? 'every bit equal' : 'different'}`,
  );
  const curves = found.map(({ name, course }) => ({ name, points: course }));
  const figure = courseFigure('Persons against background: ten minutes of training on an STM32F746', curves);
  writeFileSync(new URL('../docs/person.svg', import.meta.url), figure);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
