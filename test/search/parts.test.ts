import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Channel } from '#tinytrain/channel.js';
import { heldBack } from '#tinytrain/data/heldback.js';
import { Random } from '#tinytrain/random.js';
import { analyse } from '#tinytrain/search/analysis.js';
import {
  type Candidate,
  candidateOf,
  crossed,
  distance,
  type Genes,
  keyOf,
  lighter,
  mutated,
  textOf,
} from '#tinytrain/search/candidate.js';
import type { CandidateCosts } from '#tinytrain/search/costs.js';
import { Contribution } from '#tinytrain/search/evolution.js';
import { toTest } from '#tinytrain/search/finals.js';
import { winner } from '#tinytrain/search/proof.js';
import { publishedSchemes } from '#tinytrain/search/published.js';
import { estimate, pooledVariance, shrunk, spearman } from '#tinytrain/search/statistics.js';
import type { Trials } from '#tinytrain/search/trials.js';
import type { Estimate, Proved, TrialKey, TrialRecord } from '#tinytrain/search/types.js';

test('estimates', t => {
  t.deepEqual(estimate([]), { mean: 0, standardError: null, seeds: 0 });
  t.deepEqual(estimate([2]), { mean: 2, standardError: null, seeds: 1 });
  // Deviation of 1, 2, 3: 1; of their mean: 1 / sqrt(3).
  const { mean, standardError } = estimate([1, 2, 3]);
  t.is(mean, 2);
  t.true(Math.abs((standardError ?? 0) - 1 / Math.sqrt(3)) < 1e-12);
});

test('gains are made smaller by what may be chance', t => {
  // Squares about the means: 2 of 1, 2, 3; 0.5 of 4, 5; three degrees of freedom. A single value says nothing.
  const variance = pooledVariance([estimate([1, 2, 3]), estimate([4, 5]), estimate([9])]);
  t.true(Math.abs(variance - 2.5 / 3) < 1e-12);
  t.is(pooledVariance([estimate([1]), estimate([])]), 0);
  // 4 (1 - 8 / (2 * 16)) = 3; what chance may have made is nothing; a loss stays one.
  t.is(shrunk(estimate([3, 5]), 8), 3);
  t.is(shrunk(estimate([1, 1]), 8), 0);
  t.is(shrunk(estimate([-2, -4]), 8), -3);
});

test('rank correlation: by hand, with ties, and where it says nothing', t => {
  t.is(spearman([1, 2, 3], [10, 20, 40]), 1);
  t.is(spearman([1, 2, 3], [3, 2, 1]), -1);
  // Ranks 1 2.5 2.5 4 against 1 2 3 4: 4.5 / sqrt(4.5 * 5).
  t.true(Math.abs((spearman([1, 2, 2, 3], [1, 2, 3, 4]) ?? 0) - 4.5 / Math.sqrt(22.5)) < 1e-12);
  t.is(spearman([1, 1, 1], [1, 2, 3]), null);
  t.is(spearman([1, 2], [1, 2]), null);
});

test('schemes to candidates and back', t => {
  for (const scheme of ['head', 'bias:3', 'bias:0,1:1/8', 'bias:4,0:1/2,3:1']) {
    const candidate = candidateOf(scheme, 4, 2);
    t.is(candidate && textOf(candidate), scheme);
  }
  t.is(candidateOf('bias:1,0:1/3', 4, 4), undefined);
  const head = candidateOf('bias:2', 4, 0);
  const other = candidateOf('bias:2', 4, 8);
  t.is(head && keyOf(head), other && keyOf(other), 'residual bits say nothing where no weight is trained');
});

const genes: Genes = { biases: [0, 1, 2, 3], layers: [[1, 3], [], [2], [4]], bits: [0, 4] };

test('genes stay within what is worth having, and lighter ends at the head', t => {
  const random = new Random(7);
  let a = { bias: 3, layers: [3, 0, 2, 4], residualBits: 4 };
  const b = { bias: 0, layers: [0, 0, 0, 0], residualBits: 0 };
  for (let i = 0; i < 500; i++) {
    const child = mutated(crossed(a, b, random), genes, random);
    t.true(genes.biases.includes(child.bias) && genes.bits.includes(child.residualBits));
    t.true(child.layers.every((share, layer) => share === 0 || genes.layers[layer]?.includes(share)));
    a = { ...child, layers: [...child.layers] };
  }
  let heavy: ReturnType<typeof lighter> = { bias: 3, layers: [3, 0, 2, 4], residualBits: 4 };
  let steps = 0;
  while (heavy) {
    const next: ReturnType<typeof lighter> = lighter(heavy, genes, random);
    t.true(next === undefined || distance(next, heavy) === 1);
    heavy = next;
    steps++;
  }
  t.true(steps <= 8);
});

/** What a scheme takes, where it does not matter. */
const free = { sram: 0, instructions: 0, milliseconds: null };

test('the sum of contributions, by hand', t => {
  const gain = (loss: number) => ({
    loss: { mean: loss, standardError: null, seeds: 1 },
    accuracy: { mean: 0, standardError: null, seeds: 1 },
  });
  const contribution = new Contribution(
    {
      criterion: 'loss',
      head: gain(0),
      biases: [
        { bias: 2, ...free, ...gain(0.2) },
        { bias: 4, ...free, ...gain(0.3) },
      ],
      base: 4,
      layers: [
        { layer: 1, share: '1/8', biases: 4, ...free, ...gain(0.5) },
        { layer: 1, share: '1', biases: 4, ...free, ...gain(0.4) },
        { layer: 2, share: '1', biases: 4, ...free, ...gain(-0.1) },
      ],
      bits: [{ residualBits: 0, ...gain(-0.05) }],
    },
    4,
    [0, 4],
  );
  t.deepEqual(contribution.genes.biases, [0, 1, 2, 3, 4]);
  t.deepEqual(contribution.genes.layers, [[], [1], [], []], 'a share that adds no more than a smaller one is left out');
  t.is(contribution.biases(1), 0.1);
  t.is(contribution.biases(3), 0.25);
  const sum = contribution.sum({ bias: 3, layers: [0, 1, 0, 0], residualBits: 0 });
  t.true(Math.abs(sum - 0.7) < 1e-12);
  t.is(contribution.sum({ bias: 2, layers: [0, 0, 0, 0], residualBits: 0 }), 0.2);
});

test('an analysis: all channels of every convolution, the other shares of the better half, over the biases from it on', async t => {
  const count = 6;
  // What a scheme is worth: 0.01 for each bias down to the fifth, 0.1 times the number and share of each convolution above the second.
  const shareOf: Readonly<Record<string, number>> = { '1/8': 0.125, '1/4': 0.25, '1/2': 0.5, '1': 1 };
  const worth = (scheme: string) =>
    scheme.split(',').reduce((sum, part) => {
      const [key = '', value = ''] = part.split(':');
      if (key === 'bias') return sum + 0.01 * Math.min(5, Number(value)) - (value === '6' ? 0.02 : 0);
      return sum + (Number(key) > 2 ? 0.1 * Number(key) * (shareOf[value] ?? 0) : 0);
    }, 0);
  const asked: TrialKey[] = [];
  const trials = {
    run: async (_phase: string, keys: readonly TrialKey[]): Promise<TrialRecord[]> => {
      asked.push(...keys);
      return keys.map(key => ({ ...key, loss: 2 - worth(key.scheme) + 0.1 * key.seed, accuracy: 0.5, checksum: '' }));
    },
  };
  // Convolution 4 has so few channels that all shares but the last come to one; convolution 5 fits with at most half of its channels.
  const costs = {
    of: async (candidates: readonly Candidate[]) =>
      candidates.map(({ bias, layers }) => {
        const channels = layers.map((share, layer) =>
          share === 0 ? 0 : layer === 4 ? (share === 4 ? 2 : 1) : 2 ** share,
        );
        const sram = 100 + bias + channels.reduce((sum, n) => sum + n, 0) + ((layers[5] ?? 0) > 3 ? 1000 : 0);
        return { sram, flash: 1, instructions: 1, milliseconds: 1 };
      }),
  };
  const contributions = await analyse({
    ...{ trials: trials as unknown as Trials, costs: costs as unknown as CandidateCosts },
    ...{ count, criterion: 'loss', seed: 10, trialSteps: 7 },
    limits: { sram: 1000, flash: 10, instructions: 10, milliseconds: 10 },
    expect: () => {},
    found: () => {},
    progress: () => {},
  });
  t.is(contributions.base, 5);
  const measured = contributions.layers.map(({ layer, share, biases }) => `bias:${biases},${layer}:${share}`);
  t.deepEqual(measured, [
    ...['bias:5,0:1', 'bias:5,1:1', 'bias:4,2:1'],
    ...['1/8', '1/4', '1/2', '1'].map(share => `bias:3,3:${share}`),
    ...['1/8', '1'].map(share => `bias:2,4:${share}`),
    ...['1/8', '1/4', '1/2'].map(share => `bias:1,5:${share}`),
  ]);
  for (const { layer, share, loss } of contributions.layers) {
    const gain = layer > 2 ? 0.1 * layer * (shareOf[share] ?? 0) : 0;
    t.true(Math.abs(loss.mean - gain) < 1e-12, `${layer}:${share}`);
  }
  const seeds = (scheme: string) =>
    [...new Set(asked.filter(key => key.scheme === scheme).map(({ seed }) => seed))].sort((a, b) => a - b);
  t.deepEqual(seeds('bias:5,0:1'), [10, 11]);
  t.deepEqual(seeds('bias:1,5:1/2'), [10, 11, 12, 13]);
  t.deepEqual(seeds('bias:1'), [10, 11, 12, 13], 'what it is compared with has the same seeds');
  t.true(asked.every(({ steps, on }) => steps === 7 && on === 'validation'));
});

test('tested are the winners, the baselines and the best random scheme of each budget', t => {
  const one = (name: string, kind: Proved['kind'], sram: number, mean: number): Proved => {
    const validation = { mean, standardError: 0, seeds: 2 };
    const measured = { validation, test: null };
    return {
      name,
      kind,
      scheme: name,
      residualBits: 4,
      sram,
      instructions: 1,
      milliseconds: null,
      sum: 0,
      accuracy: measured,
      loss: measured,
    };
  };
  const [a, b] = [one('a', 'found', 9, 0.9), one('b', 'found', 5, 0.8)];
  const proved = [
    ...[one('head', 'baseline', 1, 0.5), one('r1', 'random', 9, 0.6), one('r2', 'random', 9, 0.7)],
    ...[one('r3', 'random', 4, 0.4), b, a, one('c', 'found', 9, 0.85)],
  ];
  const names = toTest(proved, [b, a], [5, 10]).map(({ name }) => name);
  t.deepEqual(names, ['b', 'a', 'head', 'r3', 'r2']);
});

test('published schemes belong to one file, known by its hash', t => {
  const path = fileURLToPath(new URL('../../../shared/models/mcunet-5fps.pkl', import.meta.url));
  t.deepEqual(publishedSchemes('0'.repeat(64)), []);
  if (!existsSync(path)) {
    t.log(`left out: ${path} is not there`);
    return;
  }
  const hash = createHash('sha256').update(readFileSync(path)).digest('hex');
  t.is(publishedSchemes(hash).length, 5);
});

test('held-back samples: of every class the same share, by seed and name', async t => {
  const labels = Uint16Array.from({ length: 50 }, (_, i) => (i < 20 ? 0 : 1));
  const names = Array.from(labels, (_, i) => `sample ${i}`);
  const data = { classes: ['a', 'b'], train: { labels, names } } as unknown as Parameters<typeof heldBack>[0];
  const held = await heldBack(data, 0.2, 1);
  t.is([...held].filter(i => i < 20).length, 4);
  t.is(held.size, 10);
  t.deepEqual(await heldBack(data, 0.2, 1), held);
  t.notDeepEqual(await heldBack(data, 0.2, 2), held);
  const within = (folder: string) =>
    ({ ...data, train: { labels, names: names.map(name => folder + name) } }) as unknown as typeof data;
  t.deepEqual(
    await heldBack(within('/elsewhere/'), 0.2, 1),
    await heldBack(within('here/'), 0.2, 1),
    'whatever the folder is called',
  );
});

test('the winner: by accuracy, then loss, then bytes; with as many seeds as the others', t => {
  const one = (name: string, accuracy: number, loss: number, seeds = 2, sram = 1) => ({
    name,
    kind: 'found' as const,
    scheme: name,
    residualBits: 4,
    sram,
    instructions: 1,
    milliseconds: null,
    sum: 0,
    accuracy: { validation: { mean: accuracy, standardError: null, seeds }, test: null },
    loss: { validation: { mean: loss, standardError: null, seeds }, test: null },
  });
  t.is(winner([]), undefined);
  t.is(winner([one('a', 0.5, 1), one('b', 0.6, 2)])?.name, 'b');
  t.is(winner([one('a', 0.6, 1), one('b', 0.6, 2)])?.name, 'a');
  t.is(winner([one('a', 0.6, 1, 2, 9), one('b', 0.6, 1, 2, 8)])?.name, 'b');
  t.is(winner([one('a', 0.9, 1, 1), one('b', 0.6, 2)])?.name, 'b');
  const collapsed = estimate([0.94, 0.92, 0.64]);
  const steady = estimate([0.83, 0.84, 0.82]);
  const measured = (name: string, validation: Estimate) => ({
    ...one(name, 0, 1),
    accuracy: { validation, test: null },
  });
  t.true(collapsed.mean > steady.mean - 0.01);
  t.is(
    winner([measured('a', collapsed), measured('b', steady)])?.name,
    'b',
    'a scheme that collapses with a seed does not win',
  );
});

test('a channel hands over everything in order, then its error', async t => {
  const channel = new Channel<number>();
  channel.push(1);
  setTimeout(() => {
    channel.push(2);
    channel.push(3);
    channel.end(new Error('over'));
  }, 5);
  const seen: number[] = [];
  await t.throwsAsync(
    async () => {
      for await (const value of channel) seen.push(value);
    },
    { message: 'over' },
  );
  t.deepEqual(seen, [1, 2, 3]);
});
