// What the memory of a training step is made of, as figure 10 of "On-Device Training Under 256KB Memory" shows it: each model with a full update, with a
// sparse one, that one cut over rows as far as it goes, and fed row by row. Prints the table of README.md, and with more schemes that of docs/memory.md. Every
// number is that of a compiled Program; a budget of 1 B asks for the least memory that a cut reaches.
//
//   node bench/memory.mjs --models DIR --data DIR
//
// DIR with the models of the reference (`mbv2-w0.35.pkl`, `mcunet-5fps.pkl`), and a folder of 10 classes of images that calibrates them.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadImages, loadModel } from '../dist/index.js';
import { Compiler } from '../dist/program/compiler.js';
import { estimateIfKnown } from '../dist/program/costs.js';

const { models, data } = parseArgs({ options: { models: { type: 'string' }, data: { type: 'string' } } }).values;
const target = 'stm32f746';
const rows = [
  [
    'MbV2-w0.35',
    'mbv2-w0.35.pkl',
    'bias:16,36:1,39:1,41:1/4,42:1/8,45:1/8,48:1/8,49:1/8',
    ['2,939', '335', '141 (373 ms)', ''],
  ],
  ['MCUNet-5FPS', 'mcunet-5fps.pkl', 'bias:20,24:1/4,27:1/2,30:1/2', ['3,650', '560', '173 (546 ms)', '']],
];

/** The larger published schemes by their bytes of extra memory. */
const larger = {
  'mbv2-w0.35.pkl': [
    ['99 KB', 'bias:25,27:1,30:1,33:1,36:1,39:1,42:1/8,45:1/2,48:1'],
    ['138 KB', 'bias:34,27:1,30:1,33:1,36:1,39:1,42:1,45:1,48:1'],
  ],
  'mcunet-5fps.pkl': [
    ['99 KB', 'bias:22,21:1,24:1,27:1,30:1,36:1/8,39:1/4'],
    ['148 KB', 'bias:23,21:1,24:1,27:1,30:1,36:1,39:1/2'],
  ],
};

const bytes = n => `${n.toLocaleString('en')} B`;
const short = [];
const long = [];
for (const [name, file, scheme, paper] of rows) {
  const model = await loadModel(join(models, file), { input: { height: 128, width: 128 } });
  const compiler = await Compiler.create(model, await loadImages(data, model.input));
  const ways = [
    ['full', { scheme: 'full' }],
    ['sparse, whole', { scheme }],
    ['sparse, cut', { scheme, target, budget: 1 }],
    ['sparse, fed by rows', { scheme, target, budget: 1, feed: 'rows' }],
    ...larger[file].flatMap(([extra, of]) => [
      [`${extra}, cut`, { scheme: of, target, budget: 1 }],
      [`${extra}, fed by rows`, { scheme: of, target, budget: 1, feed: 'rows' }],
    ]),
  ];
  for (const [i, [way, options]] of ways.entries()) {
    const program = await compiler.fitted(options);
    const { sram, flash, bound } = program.memoryOn(target);
    const { time } = estimateIfKnown(program, undefined, target) ?? {};
    const ms = time ? `${time.trainStep.milliseconds.likely.toFixed(0)} ms` : '';
    const theirs = paper[i] ?? '';
    if (i < paper.length) short.push([name, way, bytes(sram.total), bytes(flash.total), ms, theirs]);
    long.push([name, way, bytes(sram.total), bytes(bound), bytes(flash.total), ms, theirs]);
  }
}

/** A table in Markdown. */
function table(head, lines) {
  return [head, head.map(() => '---'), ...lines]
    .map(cells => `| ${cells.join(' | ')} |`.replace('|  |', '| |'))
    .join('\n');
}

const last = ['flash', 'a step, modelled', 'the paper, KB'];
console.log(table(['model', 'update', 'SRAM', ...last], short));
console.log('');
console.log(table(['model', 'update', 'SRAM', 'arena, no less than', ...last], long));
