import { join } from 'node:path';
import test from 'ava';
import { costTable, estimateOf, instructionsOfStep, TinytrainError } from '#tinytrain';
import { measureSteps } from '#tinytrain/device/measure.js';
import { runFirmware } from '#tinytrain/device/run.js';
import { calibrated, workOf } from '#tinytrain/program/costs.js';
import { costsIfThere, costsText, readCosts } from '#tinytrain/program/costs-file.js';
import { has, testFirmware } from '../helpers/firmware.js';
import { temporary, write } from '../helpers/folder.js';
import { patient } from '../helpers/progress.js';

const inQemu = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm') ? test : test.skip;

inQemu('steps counted one by one are the training step; a calibrated table predicts it', async t => {
  const onProgress = patient(t);
  const { folder, program, data } = await testFirmware(t, { scheme: 'bias:8,18:1/2,15:1/8,7:1' });
  const measured = await measureSteps(program, data, 'stm32f746');
  t.is(measured.length, program.record.steps.length + 1);
  t.true(measured.every(({ instructions }) => instructions > 0));
  const { instructions, costs, predictedInstructions } = await runFirmware(folder, {
    steps: 2,
    predictions: 1,
    calibrate: true,
    onProgress,
  });
  const step = instructions?.trainStep ?? 0;
  const off = (found: number | null) => Math.abs((found ?? 0) / step - 1);
  t.true(off(measured.reduce((sum, one) => sum + one.instructions, 0)) < 0.01);
  t.is(predictedInstructions, instructionsOfStep(program));
  t.true(off(predictedInstructions) < 0.1, `${predictedInstructions} predicted, ${step} measured`);
  t.truthy(costs);
  t.true(off(instructionsOfStep(program, costs)) < 0.01);
});

inQemu('a Program that is cut over rows is forecast as well as a whole one', async t => {
  patient(t);
  const { program, data } = await testFirmware(t, { scheme: 'head', budget: 20_000 });
  t.true(program.record.streams.length > 0, 'its forward pass is cut');
  const measured = await measureSteps(program, data, 'stm32f746');
  const step = measured.reduce((sum, one) => sum + one.instructions, 0);
  const { instructions, time } = estimateOf(program);
  t.true(Math.abs(instructions.trainStep / step - 1) < 0.1, `${instructions.trainStep} forecast, ${step} measured`);
  const { low, likely, high } = time?.trainStep.milliseconds ?? { low: 0, likely: 0, high: 0 };
  const perInstruction = (ms: number) => (216_000 * ms) / instructions.trainStep;
  t.true(0.5 < perInstruction(low) && low < likely && likely < high && perInstruction(high) < 1.5);
});

test('the clock is read before each step only where costs are calibrated', async t => {
  const { files } = await testFirmware(t);
  t.false([...files.values()].some(content => String(content).includes('tt_mark(')));
  t.false([...files.keys()].some(path => path.includes('calibrate') || path.includes('marks')));
});

test('a table is scaled kind by kind, and keeps what was not measured', async t => {
  const { program } = await testFirmware(t);
  const table = costTable();
  const work = workOf(program);
  const cost = (kind: string, terms: readonly number[]) =>
    terms.reduce((sum, term, i) => sum + term * (table.costs[kind]?.[i] ?? 0), 0);
  const kinds = new Set(work.map(({ kind }) => kind));
  t.true(
    [...kinds].every(kind => kind in table.costs),
    [...kinds].join('; '),
  );
  const measured = work.map(one => ({ ...one, instructions: 2 * cost(one.kind, one.terms) }));
  const twice = calibrated(table, measured);
  for (const [kind, costs] of Object.entries(table.costs)) {
    const factor = kinds.has(kind) ? 2 : 1;
    costs.forEach((each, i) => {
      const found = twice.costs[kind]?.[i] ?? -1;
      t.true(Math.abs(found - factor * each) <= 1e-5 * factor * each, kind);
    });
  }
  const own = (kind: string) => [{ kind, terms: [1, 2, 3, 4] as const, instructions: 7 }];
  t.deepEqual(calibrated({ core: 'x', costs: {} }, own('new')), { core: 'x', costs: { new: [7, 0, 0, 0] } });
  const [one, two] = [instructionsOfStep(program), instructionsOfStep(program, twice)];
  t.true(Math.abs(two / one - 2) < 0.01);
});

test('tables of costs are written, read, and refused', async t => {
  const folder = await temporary(t);
  const path = join(folder, 'new', 'costs.json');
  t.is(await costsIfThere(path), undefined);
  await write(folder, { 'new/costs.json': costsText(costTable()) });
  t.deepEqual(await readCosts(path), costTable());
  const bad = {
    'a.json': '{',
    'b.json': '{"core": "cortex-m7", "costs": 3}',
    'c.json': '{"core": "cortex-m7", "costs": {"add": [1]}}',
    'd.json': '7',
    'f.json': '{"costs": {"add": [1, 2, 3, 4]}}',
  };
  await write(folder, bad);
  for (const name of Object.keys(bad)) {
    const error = await t.throwsAsync(readCosts(join(folder, name)), { instanceOf: TinytrainError });
    t.is(error.code, 'COSTS_INVALID', name);
    t.regex(error.message, new RegExp(name));
  }
  const missing = await t.throwsAsync(readCosts(join(folder, 'e.json')), { instanceOf: TinytrainError });
  t.is(missing.code, 'FILE_ERROR');
});

test('costs of one core do not price another', async t => {
  const { program } = await testFirmware(t);
  const error = t.throws(() => instructionsOfStep(program, { ...costTable(), core: 'cortex-m0' }), {
    instanceOf: TinytrainError,
  });
  t.is(error.code, 'COSTS_OTHER_CORE');
  t.regex(error.message, /cortex-m0.*cortex-m7/);
});
