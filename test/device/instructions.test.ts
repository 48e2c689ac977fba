/**
 * Guest instructions of the emitted firmware, counted by QEMU: the same on every machine for the same compiler. Another compiler makes other code, and then
 * the figures are bounds.
 */
import test, { type ExecutionContext } from 'ava';
import { runFirmware } from '#tinytrain/device/run.js';
import { type FirmwareOptions, has, testFirmware } from '../helpers/firmware.js';
import { patient } from '../helpers/progress.js';
import { shared, withShared } from '../helpers/shared.js';

const COMPILER = 'arm-none-eabi-gcc (15:12.2.rel1-1) 12.2.1 20221205';
const tools = has('make', 'arm-none-eabi-gcc', 'qemu-system-arm');
const target = 'qemu-mps2-an500';

interface Counted {
  readonly inference: number;
  readonly trainStep: number;
}

async function count(t: ExecutionContext, options: FirmwareOptions, pinned: Counted): Promise<void> {
  if (!tools) {
    t.log('left out: it needs make, arm-none-eabi-gcc and qemu-system-arm');
    t.pass();
    return;
  }
  const onProgress = patient(t);
  const { folder } = await testFirmware(t, { ...options, target });
  const { instructions, compiler, equal } = await runFirmware(folder, { steps: 2, predictions: 1, onProgress });
  t.true(equal);
  if (compiler === COMPILER) {
    t.deepEqual(instructions, pinned);
  } else {
    t.log(`${compiler}: ${JSON.stringify(instructions)}, at most ${JSON.stringify(pinned)} expected`);
    t.true((instructions?.inference ?? Number.POSITIVE_INFINITY) <= pinned.inference);
    t.true((instructions?.trainStep ?? Number.POSITIVE_INFINITY) <= pinned.trainStep);
  }
}

test('instructions of the default model, a sparse update', t =>
  count(t, { scheme: 'bias:21,11:1,12:1,14:1,15:1,17:1,18:1' }, { inference: 7_260_311, trainStep: 23_497_654 }));

withShared('models/mcunet-5fps.pkl', 'instructions of MCUNet, the 49 KB scheme', t =>
  count(
    t,
    {
      model: shared('models/mcunet-5fps.pkl'),
      input: { height: 128, width: 128 },
      scheme: 'bias:20,24:1/4,27:1/2,30:1/2',
    },
    { inference: 25_160_171, trainStep: 38_649_115 },
  ),
);
