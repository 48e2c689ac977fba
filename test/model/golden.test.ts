import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { loadModel } from '#tinytrain';

/** Material that lies beside a clone of the project where it is worked on; not part of it. */
const shared = fileURLToPath(new URL('../../../shared', import.meta.url));

interface Golden {
  readonly graph_outputs: readonly number[];
  readonly tensors: readonly {
    readonly input: number;
    readonly op: number;
    readonly type: string;
    readonly tensor: number;
    readonly dtype: string;
    readonly shape: readonly number[];
    readonly offset: number;
    readonly length: number;
  }[];
}

const top = (values: Int8Array) => values.indexOf(Math.max(...values));

for (const name of ['mcunet-vww-80', 'person_detect', 'pretrainedResnet_quant', 'vww_96_int8']) {
  test(`${name}: every tensor of the file by its index, and LiteRT's top class`, async t => {
    if (!existsSync(`${shared}/golden/${name}.json`)) {
      t.log(`left out: ${shared} is not there`);
      t.pass();
      return;
    }
    const golden = JSON.parse(readFileSync(`${shared}/golden/${name}.json`, 'utf8')) as Golden;
    const bytes = readFileSync(`${shared}/golden/${name}.bin`);
    const model = await loadModel(`${shared}/models/${name}.tflite`);
    for (const sample of [0, 1, 2, 3]) {
      const own = golden.tensors.filter(({ input, dtype }) => input === sample && dtype === 'int8');
      const content = ({ offset, length }: { offset: number; length: number }) =>
        new Int8Array(bytes.subarray(offset, offset + length));
      const fed = own.find(({ op }) => op === -1);
      if (!fed) throw new Error('the golden file has no input');
      const { outputs, tensors } = await model.forward(content(fed), { tensors: true });
      // A chain of TRANSPOSE, MEAN and MEAN is one mean over the sample; what lies between has no place in the graph.
      const missing = own.filter(({ tensor }) => !tensors.has(tensor));
      t.true(missing.every(({ type }) => type === 'TRANSPOSE' || type === 'MEAN') && missing.length <= 2);
      for (const entry of own) t.true([undefined, entry.length].includes(tensors.get(entry.tensor)?.length));
      t.deepEqual(tensors.get(fed.tensor), content(fed));
      // 0 and 1 are noise, where classes may tie.
      if (sample < 2) continue;
      const last = own.at(-1);
      t.is(top(outputs[0] ?? new Int8Array()), top(last ? content(last) : new Int8Array()), `input ${sample}`);
    }
  });
}
