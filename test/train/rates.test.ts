import { join } from 'node:path';
import test from 'ava';
import {
  compile,
  createRun,
  Dataset,
  defaultImages,
  loadModel,
  openRun,
  type SampleSet,
  type TrainOptions,
  train,
} from '#tinytrain';
import { accuracyByClass, confusionOf, imbalance, priorLoss } from '#tinytrain/train/classes.js';
import type { RunState } from '#tinytrain/train/types.js';
import { collapse, hasLost, recentLoss } from '#tinytrain/train/watch.js';
import { temporary } from '../helpers/folder.js';

async function prepared(scheme: string, trainPerClass: number) {
  const model = await loadModel();
  const data = await defaultImages(model.input, { trainPerClass, testPerClass: 4 });
  return { data, program: await compile(model, data, { scheme }) };
}

/** A set with only some of the training samples. */
function only(data: SampleSet, keep: (label: number) => boolean): SampleSet {
  const places = Array.from(data.train.labels.keys()).filter(i => keep(data.train.labels[i] ?? 0));
  return { ...data, train: data.train.subset(places) };
}

test('a race finds rates that beat all their neighbours, the same for any number of threads', async t => {
  const { data, program } = await prepared('head', 20);
  const [one, other] = [
    await train(program, data, { steps: 200, threads: 1 }),
    await train(program, data, { steps: 200, threads: 5, cacheBytes: 0 }),
  ];
  t.is(one.rates.how, 'race');
  t.is(one.rates.heldBack, 40);
  t.deepEqual({ ...other.rates, seconds: 0 }, { ...one.rates, seconds: 0 });
  t.is(other.checksum, one.checksum);
  const { head, tried } = one.rates;
  const loss = (factor: number) => tried.find(r => r.steps === 200 && r.head === head * factor)?.loss ?? Number.NaN;
  t.true(loss(1) <= loss(2) && loss(1) <= loss(0.5), JSON.stringify(tried));
  t.true(tried.every(r => Number.isFinite(r.loss) && r.accuracy >= 0 && r.accuracy <= 1));
  const given = await train(program, data, { steps: 200, lrHead: head, lr: one.rates.backbone });
  t.deepEqual([given.rates.how, given.rates.tried.length, given.checksum], ['given', 0, one.checksum]);
});

test('with few images in a class the rule decides, and says why; a rate that is given stays', async t => {
  const { data, program } = await prepared('bias:3', 9);
  const { rates } = await train(program, data, { steps: 2 });
  t.is(rates.how, 'rule');
  t.regex(rates.why, /9 images in a class are too few/);
  t.is(rates.head, rates.backbone);
  const half = await train(program, data, { steps: 2, lr: 'auto', lrHead: 0.125 });
  t.deepEqual([half.rates.head, half.rates.backbone], [0.125, rates.backbone]);
  const fixed = await train(program, data, { steps: 2, lr: 0.25 });
  t.deepEqual([fixed.rates.head, fixed.rates.backbone], [0.25, 0.25]);
});

test('a run that collapses goes back and lowers its rates; stopped and resumed it does the same', async t => {
  const { data, program } = await prepared('bias:4,18:1', 20);
  const options: TrainOptions = { steps: 1000, lr: 2, lrHead: 0.05 };
  const whole = await train(program, data, options);
  t.true(whole.setbacks.length > 0, `loss ${whole.loss.after}`);
  t.true(whole.warnings.some(({ code }) => code === 'COLLAPSED'));
  t.is(whole.steps, 1000);
  const path = join(await temporary(t), 'run');
  const controller = new AbortController();
  const stopped = train(program, data, {
    ...options,
    run: await createRun(path),
    signal: controller.signal,
    onProgress: ({ phase, done }) => {
      if (phase === 'training' && done > 600) controller.abort();
    },
  });
  await t.throwsAsync(stopped, { code: 'ABORTED' });
  const run = await openRun(path);
  const { plan } = await run.record();
  const resumed = await train(program, data, { ...plan, run });
  t.deepEqual([resumed.checksum, resumed.setbacks], [whole.checksum, whole.setbacks]);
});

test('the state with the lowest loss on the validation split is kept, whatever interrupts the run', async t => {
  const { data, program } = await prepared('head', 9);
  const wrong = Array.from(data.train.labels, label => (label + 1) % data.classes.length);
  const pixels = Int8Array.from(wrong.flatMap((_, i) => Array.from(data.train.sample(i))));
  // What is learned makes wrong labels ever less likely: of all that are compared, the first state has the lowest loss.
  const misled = { ...data, validation: Dataset.from(pixels, wrong, program.input) };
  const options = { steps: 100, lr: 0.01 };
  const last = await train(program, misled, { ...options, keep: 'last' });
  t.deepEqual([last.kept, last.steps], [100, 100]);
  const best = await train(program, misled, options);
  t.deepEqual([best.kept, best.steps], [20, 100]);
  t.not(best.checksum, last.checksum);
  t.false(best.warnings.some(({ code }) => code === 'COLLAPSED'));
  // Labels that are right agree with training to the end.
  const led = await train(program, { ...data, validation: data.train }, options);
  t.deepEqual([led.kept, led.checksum], [100, last.checksum]);

  const path = join(await temporary(t), 'run');
  const controller = new AbortController();
  const stopped = train(program, misled, {
    ...options,
    run: await createRun(path),
    checkpointSeconds: 0,
    signal: controller.signal,
    onProgress: ({ phase, done }) => {
      if (phase === 'training' && done >= 50) controller.abort();
    },
  });
  await t.throwsAsync(stopped, { code: 'ABORTED' });
  const run = await openRun(path);
  const { plan } = await run.record();
  const resumed = await train(program, misled, { ...plan, run });
  t.deepEqual([resumed.kept, resumed.checksum], [20, best.checksum]);
  t.deepEqual((await run.result())?.kept, 20);
});

test('what counts as a collapse', t => {
  const curve = (losses: readonly number[]) => losses.map((loss, i) => ({ step: 100 * (i + 1), loss, accuracy: 0 }));
  const state = (losses: readonly number[], lowest?: number) =>
    ({
      curve: curve(losses),
      checkpoint: { steps: 100 * losses.length },
      best: lowest === undefined ? null : { loss: lowest },
    }) as unknown as RunState;
  t.is(recentLoss(curve([9])), undefined);
  t.is(recentLoss(curve([9, 1, 3])), 2);
  const prior = Math.log(10);
  t.is(collapse(state([2, 1.5, 1.2, 1], 1.1), prior, 1000, true), undefined);
  t.regex(collapse(state([2, 1.5, 2.3, 2.3], 1.7), prior, 1000, true) ?? '', /lost/);
  t.regex(collapse(state([2, 5, 5], 1.7), prior, 1000, false) ?? '', /guessing/);
  t.regex(collapse(state([2.3, 2.3, 2.3, 2.3, 2.3], 2.3), prior, 1000, true) ?? '', /nothing/);
  t.is(collapse(state([2.3, 2.3, 2.3, 2.3], 2.3), prior, 1000, false), undefined, 'low rates are slow');
  t.is(collapse(state([5, 5]), prior, 10_000, true), undefined, 'too early to tell');
  t.true(hasLost(state([0.1, 0.5, 0.5], 0.1), prior));
  t.false(hasLost(state([0.1, 0.2, 0.2], 0.1), prior));
});

test('accuracy by class, confusion, and what an imbalance is', async t => {
  const { data, program } = await prepared('head', 20);
  const result = await train(program, data, { steps: 50, lr: 0.01 });
  t.deepEqual(
    result.confusion.map(row => row.reduce((a, b) => a + b, 0)),
    data.classes.map(() => 4),
  );
  const right = result.confusion.reduce((sum, row, i) => sum + (row[i] ?? 0), 0);
  t.is(right / 40, result.accuracy.after);
  t.is(result.accuracy.byClass[3]?.accuracy, (result.confusion[3]?.[3] ?? 0) / 4);
  t.false(result.warnings.some(({ code }) => code === 'IMBALANCE'));

  const seen = data.classes.map(() => 0);
  const rare = only(data, label => {
    seen[label] = (seen[label] ?? 0) + 1;
    return label < 5 || (seen[label] ?? 0) <= 3;
  });
  const skewed = await train(program, rare, { steps: 50, lr: 0.01 });
  t.regex(skewed.warnings.find(({ code }) => code === 'IMBALANCE')?.message ?? '', /20 training images.*has 3/);
  const balanced = await train(program, rare, { steps: 50, lr: 0.01, balance: true });
  t.false(balanced.warnings.some(({ code }) => code === 'IMBALANCE'));
  t.not(balanced.checksum, skewed.checksum);

  t.deepEqual(imbalance([3, 1], ['a', 'b'], false), []);
  t.true(Math.abs(priorLoss([5, 5, 0]) - Math.log(2)) < 1e-12);
  const set = { labels: Uint16Array.from([0, 1, 1]) } as unknown as SampleSet['train'];
  const confusion = confusionOf(set, [0, 0, 1], 2);
  t.deepEqual(confusion, [
    [1, 0],
    [1, 1],
  ]);
  t.deepEqual(accuracyByClass(confusion, ['a', 'b'])[1], { class: 'b', samples: 2, accuracy: 0.5 });
});
