// Does the sum of contributions predict the trained result? Trains random schemes of all costs under a budget, and prints the rank correlation between
// the sum and their accuracy, for contributions in loss and in accuracy.
//
//   node bench/prediction.mjs SEARCH_FOLDER [SCHEMES] [SEEDS]
//
// SEARCH_FOLDER is the output of `npx tinytrain search --out`; model and samples are read again from their origin.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { reopenModel, reopenSamples } from '../dist/origin.js';
import { Random } from '../dist/random.js';
import { keyOf, shares, textOf } from '../dist/search/candidate.js';
import { CandidateCosts } from '../dist/search/costs.js';
import { Contribution, drawn, repaired } from '../dist/search/evolution.js';
import { searchSamples } from '../dist/search/heldout.js';
import { Journal, searchOrigin } from '../dist/search/journal.js';
import { estimate, spearman } from '../dist/search/statistics.js';
import { Trials } from '../dist/search/trials.js';

const [folder, schemes = '30', seeds = '2'] = process.argv.slice(2);
const { contributions, plan } = JSON.parse(readFileSync(`${folder}/search.json`, 'utf8'));
const { origin } = await searchOrigin(folder);
const model = await reopenModel(origin, folder);
const data = await reopenSamples(origin, folder);
const threads = availableParallelism();
const samples = await searchSamples(data, plan.heldBack, plan.seed);
const trials = new Trials(model, data, samples, { lr: plan.lr, threads, cacheBytes: 2 ** 30 }, Journal.inMemory());
const compiler = await trials.compiler(plan.seed, 'validation');
const settings = { target: plan.target, pixelTables: trials.pixelTables, table: plan.costs, threads };
const costs = new CandidateCosts(compiler, settings);
const count = compiler.layers;
const random = new Random(plan.seed, 1234);
const sums = Object.fromEntries(
  ['loss', 'accuracy'].map(criterion => [criterion, new Contribution({ ...contributions, criterion }, count, [4])]),
);
const genes = {
  biases: sums.loss.genes.biases,
  layers: Array.from({ length: count }, () => shares.map((_, i) => i + 1)),
  bits: [4],
};
const found = new Map();
while (found.size < Number(schemes)) {
  const limits = { sram: plan.budgets.at(-1), flash: Infinity, instructions: Infinity };
  for (const { candidate, cost } of await repaired(
    [drawn(genes, count, random)],
    genes,
    costs,
    limits,
    random,
    4 * count,
  )) {
    found.set(keyOf(candidate), { candidate, cost });
  }
}
const list = [...found.values()];
const keys = list.flatMap(({ candidate }) =>
  Array.from({ length: Number(seeds) }, (_, s) => ({
    scheme: textOf(candidate),
    residualBits: 4,
    seed: plan.seed + 100 + s,
    steps: plan.proofSteps,
    on: 'validation',
  })),
);
const records = await trials.run('proof', keys, (done, total) => process.stderr.write(`\r${done} of ${total} `));
const measured = list.map((_, i) => records.slice(i * seeds, (i + 1) * seeds));
const accuracy = measured.map(own => estimate(own.map(r => r.accuracy)).mean);
const loss = measured.map(own => -estimate(own.map(r => r.loss)).mean);
process.stderr.write('\n');
const rows = list.map(({ candidate, cost }, i) => ({
  scheme: textOf(candidate),
  sram: cost.sram,
  accuracy: accuracy[i],
  loss: -loss[i],
  sumLoss: sums.loss.sum(candidate),
  sumAccuracy: sums.accuracy.sum(candidate),
}));
const against = values => ({ accuracy: spearman(values, accuracy), loss: spearman(values, loss) });
console.log(
  JSON.stringify(
    {
      rows,
      spearman: {
        sumOfLoss: against(rows.map(r => r.sumLoss)),
        sumOfAccuracy: against(rows.map(r => r.sumAccuracy)),
        sram: against(rows.map(r => r.sram)),
      },
    },
    null,
    2,
  ),
);
