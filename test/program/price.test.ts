import { join } from 'node:path';
import test from 'ava';
import { compile, createRun, defaultImages, loadModel, openRun, TinytrainError, train } from '#tinytrain';
import { temporary } from '../helpers/folder.js';

test.serial('a Program file has a price before it is run, which is limited and can be raised', async t => {
  const folder = await temporary(t);
  const model = await loadModel();
  const data = await defaultImages(model.input, { trainPerClass: 3, testPerClass: 1 });
  const path = join(folder, 'run');
  await train(await compile(model, data), data, { steps: 1, lr: 0.01, run: await createRun(path) });
  const opened = async (limit: string) => {
    process.env['TINYTRAIN_MODEL_LIMIT'] = limit;
    try {
      return await (await openRun(path)).program();
    } finally {
      process.env['TINYTRAIN_MODEL_LIMIT'] = '';
    }
  };
  t.is((await opened('')).scheme, 'head');
  const error = await t.throwsAsync(opened('1e-5'), { instanceOf: TinytrainError, code: 'PROGRAM_TOO_LARGE' });
  t.regex(error?.message ?? '', /program\.ttp: .* are run$/);
  t.regex(error?.details.help?.join() ?? '', /TINYTRAIN_MODEL_LIMIT=10/);
  await t.throwsAsync(opened('x'), { code: 'OPTION_INVALID', message: /TINYTRAIN_MODEL_LIMIT/ });
});
