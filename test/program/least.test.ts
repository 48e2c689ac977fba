import { Compiler, loadModel, TinytrainError } from '#tinytrain';
import { defaultImages } from '#tinytrain/data/drawn/set.js';
import { shared, withShared } from '../helpers/shared.js';

withShared('models/mbv2-w0.35.pkl', 'the least bytes of a Program are a budget that it keeps', async t => {
  const model = await loadModel(shared('models/mbv2-w0.35.pkl'), { input: { height: 128, width: 128 } });
  const compiler = await Compiler.create(
    model,
    await defaultImages(model.input, { trainPerClass: 2, testPerClass: 1 }),
  );
  const scheme = 'bias:25,27:1,30:1,33:1,36:1,39:1,42:1/8,45:1/2,48:1';
  const target = 'stm32f746';
  const within = (budget: number) => compiler.compile({ scheme, residualBits: 4, target, budget });
  const error = await t.throwsAsync(within(1), { instanceOf: TinytrainError, code: 'BUDGET_EXCEEDED' });
  const least = Number(error?.details['needed']) + 8;
  const kept = (await within(least)).memory.sram.total;
  t.true(kept <= least, `${kept} of ${least}`);
});
