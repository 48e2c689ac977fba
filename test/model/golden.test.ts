import { readFileSync } from 'node:fs';
import { loadModel } from '#tinytrain';
import { shared, withShared } from '../helpers/shared.js';

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

/** Fewer values tell two tensors apart by chance only. */
const TELLING = 64;

const top = (values: Int8Array) => values.indexOf(Math.max(...values));

/** Sum of the absolute differences of two tensors. */
const distance = (a: Int8Array, b: Int8Array) => a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0);

for (const name of ['mcunet-vww-80', 'person_detect', 'pretrainedResnet_quant', 'vww_96_int8']) {
  withShared(
    `golden/${name}.json`,
    `${name}: every tensor of the file by its index, and LiteRT's top class`,
    async t => {
      const golden = JSON.parse(readFileSync(shared(`golden/${name}.json`), 'utf8')) as Golden;
      const bytes = readFileSync(shared(`golden/${name}.bin`));
      const model = await loadModel(shared(`models/${name}.tflite`));
      let told = 0;
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
        // Roundings add up from layer to layer, but of all tensors as long, the one of its index is the nearest.
        for (const entry of own.filter(({ length }) => length >= TELLING)) {
          const found = tensors.get(entry.tensor);
          if (!found) continue;
          t.is(found.length, entry.length);
          const off = distance(found, content(entry));
          const others = own.filter(({ tensor, length }) => tensor !== entry.tensor && length === entry.length);
          t.true(
            others.every(other => distance(found, content(other)) >= off),
            `tensor ${entry.tensor}`,
          );
          told += others.length;
        }
        t.deepEqual(tensors.get(fed.tensor), content(fed));
        // 0 and 1 are noise, where classes may tie.
        if (sample < 2) continue;
        const last = own.at(-1);
        t.is(top(outputs[0] ?? new Int8Array()), top(last ? content(last) : new Int8Array()), `input ${sample}`);
      }
      t.true(told > 100, 'tensors of equal length, to be told apart');
    },
  );
}
