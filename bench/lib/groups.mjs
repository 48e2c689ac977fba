/** The measurements: each group runs sets of contenders in turns and derives its rows from them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { profile } from './layers.mjs';
import { imageFile, root } from './ours.mjs';
import { inferenceRuntimes, torch } from './python.mjs';
import { alternate, ratio } from './rounds.mjs';
import { mean } from './statistics.mjs';
import { Worker } from './worker.mjs';

const shared = join(root, '..', 'shared');
const MODELS = ['mcunet-vww-80', 'vww_96_int8', 'pretrainedResnet_quant', 'person_detect'];
const DEFAULT = { path: join(root, 'assets', 'tinytrain-xs.tflite'), side: 64, perClass: 20 };
const MCUNET = { path: join(shared, 'models', 'mcunet-5fps.pkl'), side: 128, perClass: 5 };
const SPARSE = 'bias:6,20:1,18:1/2';
const SCHEMES = {
  '49 KB': 'bias:20,24:1/4,27:1/2,30:1/2',
  '99 KB': 'bias:22,21:1,24:1,27:1,30:1,36:1/8,39:1/4',
};
/** Number of steps that are compared bit by bit before anything is timed. */
const AGREED = 60;
const EVALUATED = 1000;
/** Steps of a run from Node: about an epoch. */
const FROM_NODE = 500;

const opponent = name => fileURLToPath(new URL(`../opponents/${name}`, import.meta.url));
const calls = word => n => `${word} ${n}`;

/** The settings of a benchmark run: where to pin, how long to measure, where to write and report. */
export class Bench {
  constructor({ timed, core, pair, folder, seconds, report }) {
    Object.assign(this, { timed, core, pair, folder, seconds, report, versions: {} });
  }

  ours(name, args, { cores = this.core, env } = {}) {
    return Worker.start(name, [this.timed, ...args], { cores, env });
  }

  async trained(name, { path, side }, scheme, samples, options) {
    return this.ours(name, [path, scheme, samples, String(side)], options);
  }

  /** Starts processes, times them in turns, and ends them whatever happens. */
  async set(title, starts, contenders, settings = {}) {
    const workers = [];
    try {
      for (const start of starts) {
        workers.push(await start());
        Object.assign(this.versions, versionsOf(workers.at(-1).about));
      }
      await settings.before?.(workers);
      const onRound = (kept, thrown) => this.report.progress(`${title}: ${kept} rounds, ${thrown} batches thrown away`);
      const found = await alternate(contenders(workers), {
        rounds: settings.rounds ?? 15,
        seconds: this.seconds,
        onRound,
      });
      return { ...found, about: Object.fromEntries(workers.map(({ name, about }) => [name, about])) };
    } finally {
      await Promise.all(workers.map(worker => worker.close()));
    }
  }

  /** A row: the ratio of the opponent's time to ours. */
  row(group, work, set, { ours, against, label = against, atLeast, aim }) {
    const { quiet, rounds, thrown, times, about } = set;
    const found = ratio(set, against, ours);
    this.report.row({
      group,
      work,
      ours,
      theirs: against,
      against: label,
      ratio: found,
      atLeast,
      aim,
      quiet,
      rounds,
      thrown,
      times,
      about,
    });
  }
}

/** The kernels in use; the reference kernels count as an opponent. */
const versionsOf = ({ litert, onnxruntime, torch, kernels }) => {
  const used = { litert, onnxruntime, torch, kernels: kernels === 'reference' ? undefined : kernels };
  return Object.fromEntries(Object.entries(used).filter(([, version]) => version !== undefined));
};

const missingShared = path => (existsSync(path) ? undefined : `${path} does not exist`);

/** Throws if workers that must yield the same bits do not. */
async function agree(workers, withCache) {
  const found = [];
  for (const worker of workers) {
    await worker.ask(`step ${AGREED}`);
    if (withCache) await worker.ask(`cached ${AGREED}`);
    const { step, cached } = await worker.ask('checksum');
    found.push(step, ...(withCache ? [cached] : []));
  }
  if (new Set(found).size > 1) throw new Error(`${AGREED} training steps give different bits: ${found.join(' ')}`);
}

/** The distribution of our time, model by model. */
export async function layers(bench) {
  const run = async (title, start, word) => {
    const worker = await start();
    try {
      bench.report.profiles.push(await profile(title, worker, word));
    } finally {
      await worker.close();
    }
  };
  const missing = missingShared(MCUNET.path);
  if (missing) bench.report.left('layers of ../shared', missing);
  else {
    for (const model of MODELS) {
      await run(model, () => bench.ours('tinytrain', [join(shared, 'models', `${model}.tflite`)]), 'inference');
    }
    const samples = await imageFile(bench.folder, 'mcunet', MCUNET);
    for (const [title, scheme] of Object.entries(SCHEMES)) {
      const start = () => bench.trained('tinytrain', MCUNET, scheme, samples);
      await run(`training step of MCUNet-5FPS, ${title}`, start, 'step');
    }
  }
  const samples = await imageFile(bench.folder, 'default', DEFAULT);
  await run(
    `training step of the default, ${SPARSE}`,
    () => bench.trained('tinytrain', DEFAULT, SPARSE, samples),
    'step',
  );
}

export const groups = {
  /** The four .tflite against LiteRT with XNNPACK and ONNX Runtime. */
  async inference(bench) {
    const absent = missingShared(join(shared, 'models'));
    const { python, missing } = absent ? { missing: absent } : inferenceRuntimes(bench.report.progress);
    if (missing) return bench.report.left('inference', missing);
    for (const model of MODELS) {
      const path = join(shared, 'models', `${model}.tflite`);
      const run = name => Worker.start(name, [python, opponent(`${name}.py`), path], { cores: bench.core });
      const set = await bench.set(
        model,
        [() => bench.ours('tinytrain', [path]), () => run('litert'), () => run('ort')],
        workers => workers.map(worker => ({ name: worker.name, worker, line: calls('inference') })),
      );
      const against = set.times.ort.median < set.times.litert.median ? 'ort' : 'litert';
      const labels = { litert: 'LiteRT, XNNPACK', ort: 'ONNX Runtime' };
      const aim = model === 'pretrainedResnet_quant' ? 1.2 : 1.5;
      bench.row('inference', model, set, { ours: 'tinytrain', against, label: labels[against], atLeast: 1, aim });
      const other = against === 'ort' ? 'litert' : 'ort';
      bench.row('inference', model, set, { ours: 'tinytrain', against: other, label: labels[other] });
    }
  },

  /** A training step of MCUNet-5FPS against its simulation in PyTorch. */
  async training(bench) {
    const tool = join(shared, 'tools', 'torch_sim.py');
    const absent = missingShared(MCUNET.path) ?? missingShared(tool);
    const { python, missing } = absent ? { missing: absent } : torch();
    if (missing) return bench.report.left('training', missing);
    const samples = await imageFile(bench.folder, 'mcunet', MCUNET);
    for (const [title, scheme] of Object.entries(SCHEMES)) {
      const simulation = [python, opponent('pytorch.py'), tool, MCUNET.path, scheme, samples, String(MCUNET.side)];
      const set = await bench.set(
        `MCUNet-5FPS, ${title}`,
        [
          () => bench.trained('tinytrain', MCUNET, scheme, samples),
          () => Worker.start('torch', simulation, { cores: bench.core }),
        ],
        ([ours, theirs]) => [
          { name: 'step', worker: ours, line: calls('step') },
          { name: 'cached', worker: ours, line: calls('cached') },
          { name: 'torch', worker: theirs, line: calls('step') },
        ],
        { before: ([ours]) => agree([ours], true) },
      );
      const label = 'PyTorch simulation';
      const work = `MCUNet-5FPS 128x128, ${title}`;
      bench.row('training step', work, set, { ours: 'step', against: 'torch', label, atLeast: 20, aim: 40 });
      const cached = `${work}, prefix cached`;
      bench.row('training step', cached, set, { ours: 'cached', against: 'torch', label, atLeast: 30, aim: 60 });
    }
  },

  /** A training step of the embedded default: the kernels of this processor against the reference, and a sparse scheme against a full one. */
  async kernels(bench) {
    const samples = await imageFile(bench.folder, 'default', DEFAULT);
    const reference = { env: { TINYTRAIN_KERNELS: 'reference' } };
    const set = await bench.set(
      'embedded default',
      [
        () => bench.trained('chosen', DEFAULT, SPARSE, samples),
        () => bench.trained('reference', DEFAULT, SPARSE, samples, reference),
        () => bench.trained('full', DEFAULT, 'full', samples),
      ],
      ([chosen, plain, full]) => [
        { name: 'chosen', worker: chosen, line: calls('step') },
        { name: 'cached', worker: chosen, line: calls('cached') },
        { name: 'reference', worker: plain, line: calls('step') },
        { name: 'full', worker: full, line: calls('step') },
      ],
      { before: ([chosen, plain]) => agree([chosen, plain], true) },
    );
    const [group, work] = ['training step', `default, ${SPARSE}`];
    bench.row(group, work, set, { ours: 'chosen', against: 'reference', label: 'reference kernels', atLeast: 10 });
    bench.row(group, work, set, { ours: 'chosen', against: 'full', label: 'every weight trained' });
    bench.row(group, `${work}, prefix cached`, set, { ours: 'cached', against: 'chosen', label: 'not cached' });
  },

  /** The time of a training step through the package, called from Node. */
  async node(bench) {
    const samples = await imageFile(bench.folder, 'default', DEFAULT);
    const set = await bench.set(
      'from Node',
      [
        () => bench.trained('rust', DEFAULT, SPARSE, samples),
        () => Worker.start('node', [process.execPath, opponent('package.mjs'), SPARSE], { cores: bench.core }),
      ],
      ([rust, node]) => [
        { name: 'rust', worker: rust, line: calls('step'), calls: FROM_NODE, of: mean },
        { name: 'node', worker: node, line: calls('train'), calls: FROM_NODE },
      ],
    );
    const label = 'through the package';
    bench.row('training step', `default, ${SPARSE}`, set, { ours: 'rust', against: 'node', label });
  },

  /** Evaluating samples on two threads against one, and the gain of two threads that share nothing on this machine. */
  async threads(bench) {
    if (bench.pair === undefined) return bench.report.left('threads', 'there is one core');
    const models = [['default', DEFAULT, SPARSE]];
    const missing = missingShared(MCUNET.path);
    if (missing) bench.report.left('threads, MCUNet-5FPS', missing);
    else models.push(['MCUNet-5FPS 128x128', MCUNET, SCHEMES['49 KB']]);
    for (const [work, model, scheme] of models) {
      const samples = await imageFile(bench.folder, 'threads', model);
      const set = await bench.set(
        `${work}, threads`,
        [() => bench.trained('tinytrain', model, scheme, samples, { cores: bench.pair })],
        ([worker]) =>
          ['evaluate', 'spin'].flatMap(word =>
            [1, 2].map(threads => ({
              name: `${word} ${threads}`,
              worker,
              line: () => (word === 'spin' ? `spin ${threads}` : `evaluate ${EVALUATED} ${threads}`),
              calls: 1,
            })),
          ),
        { rounds: 9 },
      );
      const title = `evaluate ${EVALUATED} samples, ${work}`;
      bench.row('two threads', title, set, {
        ours: 'evaluate 2',
        against: 'evaluate 1',
        label: 'one thread',
        atLeast: 1.85,
      });
      bench.row('two threads', 'a loop without memory', set, {
        ours: 'spin 2',
        against: 'spin 1',
        label: 'one thread',
      });
    }
  },
};
