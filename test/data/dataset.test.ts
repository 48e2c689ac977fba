import test from 'ava';
import { Dataset, TinytrainError } from '#tinytrain';
import { plainInput } from '../helpers/input.js';

const input = plainInput(1, 2, 1);
const five = () => Dataset.from(Int8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), [0, 1, 0, 1, 1], input);

test('a subset has images, labels and names of its places, in their order', t => {
  const part = five().subset([4, 0]);
  t.deepEqual([...part.labels], [1, 0]);
  t.deepEqual([...part.sample(0), ...part.sample(1)], [9, 10, 1, 2]);
  t.deepEqual(part.names, ['sample 4', 'sample 0']);
  t.deepEqual([...part.subset([1]).sample(0)], [1, 2]);
});

test('images and places that are not there are errors', t => {
  const data = five();
  t.is(t.throws(() => data.sample(5), { instanceOf: TinytrainError }).code, 'SIZE_MISMATCH');
  t.is(t.throws(() => data.subset([0, 5]), { instanceOf: TinytrainError }).code, 'SIZE_MISMATCH');
  const short = () => Dataset.from(new Int8Array(3), [0, 1], input);
  t.is(t.throws(short, { instanceOf: TinytrainError }).code, 'SIZE_MISMATCH');
});

test('the hash changes with an image and with a label', t => {
  const other = Dataset.from(Int8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 11]), [0, 1, 0, 1, 1], input);
  const relabelled = Dataset.from(Int8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), [0, 1, 0, 1, 0], input);
  t.is(five().hash(), five().hash());
  t.is(new Set([five(), other, relabelled].map(data => data.hash())).size, 3);
});
