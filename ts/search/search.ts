import { availableParallelism, freemem } from 'node:os';
import { resolve } from 'node:path';
import type { SampleSet } from '../data/dataset.js';
import { aborted, TinytrainError } from '../errors.js';
import { thousands } from '../format.js';
import type { Model } from '../model/model.js';
import { instructionsOfStep } from '../program/costs.js';
import { defaultTarget } from '../program/memory.js';
import type { Compiler, Program } from '../program/program.js';
import { version } from '../version.js';
import { ANALYSIS_BITS, type AnalysisContext, analyse, bitsGains } from './analysis.js';
import { allBits, textOf } from './candidate.js';
import { Channel } from './channel.js';
import { Costs, type Limits } from './costs.js';
import { Contribution, evolve, type Scored } from './evolution.js';
import { writeSearch } from './folder.js';
import { contentHash, type SearchSamples, searchSamples } from './heldout.js';
import { Journal } from './journal.js';
import { contestants, estimates, winner } from './proof.js';
import { estimate, spearman } from './statistics.js';
import { Trials } from './trials.js';
import type {
  Comparison,
  Contestant,
  Contributions,
  Estimate,
  FrontPoint,
  Proved,
  SearchEvent,
  SearchOptions,
  SearchPhase,
  SearchPlan,
  SearchResult,
  TrialKey,
  TrialRecord,
} from './types.js';

/** Multiply-accumulates of the forward passes of a run, at most, where nothing else is asked for. */
const ANALYSIS_MACS = 3.5e10;
const PROOF_MACS = 1.4e11;
const LEAST_VISITS = 200;
const LEAST_PROOF = 1000;
const MAX_CACHE = 2 ** 32;
const DEFAULT_HELD_BACK = 0.2;
/** Schemes that are trained in earnest, about: baselines, and for each budget those that were found or drawn. */
const BASELINES = 4;
const FOR_A_BUDGET = 7;
/** Shares of the time after which a phase must be at its end. */
const ENDS: Readonly<Record<SearchPhase, number>> = { analysis: 0.5, evolution: 0.58, proof: 0.8, test: 1 };

function check(name: string, value: number, ok: boolean, expected: string): void {
  if (!ok)
    throw new TinytrainError('OPTION_INVALID', `${name} is ${value}; expected: ${expected}`, { option: name, value });
}

function checkPlan(plan: SearchPlan): void {
  const whole = (name: 'seed' | 'seeds' | 'visits' | 'proofVisits', least: number) =>
    check(
      name,
      plan[name],
      Number.isSafeInteger(plan[name]) && plan[name] >= least && plan[name] < 2 ** 32,
      `a whole number from ${least} on`,
    );
  whole('seed', 0);
  whole('seeds', 1);
  whole('visits', 1);
  whole('proofVisits', 1);
  check('lr', plan.lr, plan.lr > 0 && plan.lr <= 1, 'a number above 0 and at most 1');
  check('heldBack', plan.heldBack, plan.heldBack > 0 && plan.heldBack < 1, 'a share between 0 and 1');
  check('budgets', plan.budgets.length, plan.budgets.length > 0, 'at least one budget');
  for (const budget of plan.budgets) check('budget', budget, Number.isSafeInteger(budget) && budget > 0, 'bytes');
  const most = plan.maxInstructions;
  if (most !== null) check('maxInstructions', most, most > 0 && Number.isFinite(most), 'a number above 0');
  const bits = plan.residualBits;
  if (bits !== 'any') check('residualBits', bits, allBits.includes(bits), `one of ${allBits.join(', ')}, or any`);
}

/** Fills in what is left out. */
function planOf(model: Model, samples: SearchSamples, options: SearchOptions): SearchPlan {
  const macs = model.description.backbone?.macs ?? 1;
  const size = samples.train.size;
  const affordable = (total: number, least: number) => Math.max(least, Math.round(total / macs));
  const plan: SearchPlan = {
    budgets: [...new Set(options.budgets)].sort((a, b) => a - b),
    flash: options.flash ?? null,
    maxInstructions: options.maxInstructions ?? null,
    costs: options.costs ?? null,
    target: options.target ?? defaultTarget,
    residualBits: options.residualBits ?? ANALYSIS_BITS,
    criterion: options.criterion ?? 'loss',
    seed: options.seed ?? 0,
    seeds: options.seeds ?? 3,
    visits: options.visits ?? Math.min(Math.max(size, LEAST_VISITS), affordable(ANALYSIS_MACS, LEAST_VISITS)),
    proofVisits: options.proofVisits ?? Math.min(2 * size, affordable(PROOF_MACS, LEAST_PROOF)),
    heldBack: options.heldBack ?? DEFAULT_HELD_BACK,
    lr: options.lr ?? 1.6e-3,
  };
  checkPlan(plan);
  return plan;
}

/** What found and tried schemes need of each other to be compared. */
type Named = Awaited<ReturnType<typeof contestants>>[number];

class Search {
  readonly #model: Model;
  readonly #data: SampleSet;
  readonly #samples: SearchSamples;
  readonly #plan: SearchPlan;
  readonly #trials: Trials;
  readonly #compiler: Compiler;
  readonly #costs: Costs;
  readonly #limits: readonly Limits[];
  readonly #emit: (event: SearchEvent) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #began: number;
  readonly #seconds: number;
  /** Training steps of each phase, as far as is known. */
  readonly #expected: { analysis: number; proof: number; test: number };

  private constructor(
    facts: { model: Model; data: SampleSet; samples: SearchSamples; plan: SearchPlan },
    tools: { trials: Trials; compiler: Compiler; costs: Costs; limits: readonly Limits[] },
    watch: { emit: (event: SearchEvent) => void; signal: AbortSignal | undefined; began: number; seconds: number },
  ) {
    this.#model = facts.model;
    this.#data = facts.data;
    this.#samples = facts.samples;
    this.#plan = facts.plan;
    this.#trials = tools.trials;
    this.#compiler = tools.compiler;
    this.#costs = tools.costs;
    this.#limits = tools.limits;
    this.#emit = watch.emit;
    this.#signal = watch.signal;
    this.#began = watch.began;
    this.#seconds = watch.seconds;
    const { budgets, seeds, proofVisits } = facts.plan;
    const each = (BASELINES + FOR_A_BUDGET * budgets.length) * seeds * proofVisits;
    this.#expected = { analysis: 0, proof: each, test: (each * facts.samples.all.size) / facts.samples.train.size };
  }

  static async run(
    model: Model,
    data: SampleSet,
    options: SearchOptions,
    emit: (event: SearchEvent) => void,
  ): Promise<void> {
    const began = performance.now();
    const samples = await searchSamples(data, options.heldBack ?? DEFAULT_HELD_BACK, options.seed ?? 0);
    const plan = planOf(model, samples, options);
    const threads = options.threads ?? availableParallelism();
    const cacheBytes = options.cacheBytes ?? Math.min(MAX_CACHE, freemem() / 4);
    const { signal, out, resume = false, seconds = Number.POSITIVE_INFINITY } = options;
    const { path, input, description } = model;
    const origin = {
      model: { path: resolve(path), input: { height: input.height, width: input.width } },
      normalisation: { mean: description.input.mean, std: description.input.std },
      data: data.origin ?? null,
      options: plan,
    };
    const identity = {
      tinytrain: version,
      model: model.hash,
      samples: data.hash,
      'held-back samples': await contentHash(samples.validation),
      ...plan,
    };
    const journal = out === undefined ? Journal.inMemory() : await Journal.open(out, { identity, origin }, resume);
    try {
      const trials = new Trials(model, data, samples, { lr: plan.lr, threads, cacheBytes, signal }, journal);
      const compiler = await trials.compiler(plan.seed, 'validation');
      const { target, costs: table } = plan;
      const costs = new Costs(compiler, { target, pixelTables: trials.pixelTables, table, threads });
      const limits = await limitsOf(compiler, plan);
      if (signal?.aborted) throw aborted('the search');
      await journal.begin();
      emit({ type: 'begin', plan, threads, validation: samples.validation.size });
      const search = new Search(
        { model, data, samples, plan },
        { trials, compiler, costs, limits },
        { emit, signal, began, seconds },
      );
      const result = await search.#result();
      if (out !== undefined) await writeSearch(out, result);
      emit({ type: 'done', result });
    } finally {
      await journal.close();
    }
  }

  #enter(phase: SearchPhase): void {
    this.#trials.deadline = this.#began + ENDS[phase] * this.#seconds * 1000;
  }

  #progress(phase: SearchPhase, what: string, done: number, total: number): void {
    const { analysis, proof, test } = this.#expected;
    const left = this.#trials.secondsFor(Math.max(0, analysis + proof + test - this.#trials.visits));
    this.#emit({ type: 'progress', phase, what, done, total, left });
  }

  /** Trains, and tells how far it is. */
  #train(phase: 'proof' | 'test', keys: readonly TrialKey[]): Promise<(TrialRecord | undefined)[]> {
    this.#expected[phase] = keys.reduce((sum, { visits }) => sum + visits, 0);
    return this.#trials.run(phase, keys, (done, total) => this.#progress(phase, phase, done, total));
  }

  #analysisContext(): AnalysisContext {
    const { criterion, seed, visits } = this.#plan;
    return {
      trials: this.#trials,
      costs: this.#costs,
      count: this.#compiler.layers,
      limits: this.#largest(),
      criterion,
      seed,
      visits,
      expect: runs => {
        this.#expected.analysis = runs * visits;
      },
      progress: (what, done, total) => this.#progress('analysis', what, done, total),
    };
  }

  /** The limits of the largest budget: what fits none is of no interest. */
  #largest(): Limits {
    return this.#limits.at(-1) ?? { sram: 0, flash: 0, instructions: 0 };
  }

  async #evolve(
    contributions: Contributions,
    limits: Limits,
    bits: readonly number[],
  ): Promise<{ contribution: Contribution; scored: Scored[] }> {
    const count = this.#compiler.layers;
    const contribution = new Contribution(contributions, count, bits);
    const scored = await evolve(contribution, count, {
      costs: this.#costs,
      limits,
      seed: this.#plan.seed,
      stopped: () => this.#stopped(),
      progress: (generation, generations, { candidate, sram, sum }) => {
        const what = `evolution, ${thousands(limits.sram)} B`;
        this.#progress('evolution', what, generation, generations);
        const best = { scheme: textOf(candidate), residualBits: candidate.residualBits, sram, sum };
        this.#emit({ type: 'generation', budget: limits.sram, generation, evaluations: this.#costs.evaluations, best });
      },
    });
    return { contribution, scored };
  }

  #stopped(): boolean {
    if (this.#signal?.aborted) throw aborted('the search');
    return performance.now() > this.#trials.deadline;
  }

  /** Contributions, with those of residual bits where they are to be chosen. */
  async #contributions(): Promise<Contributions> {
    const context = this.#analysisContext();
    const contributions = await analyse(context);
    if (this.#plan.residualBits !== 'any') return contributions;
    const { scored } = await this.#evolve(contributions, this.#largest(), [ANALYSIS_BITS]);
    const [best] = scored;
    if (!best?.candidate.layers.some(share => share > 0)) return contributions;
    const others = allBits.filter(bits => bits !== ANALYSIS_BITS);
    return { ...contributions, bits: await bitsGains(context, best.candidate, others) };
  }

  async #contestants(contributions: Contributions): Promise<Map<string, { contestant: Contestant; program: Program }>> {
    const { residualBits, seed } = this.#plan;
    const bits = residualBits === 'any' ? allBits : [residualBits];
    const named = new Map<string, Named & { sum: number }>();
    for (const limits of this.#limits) {
      const { contribution, scored } = await this.#evolve(contributions, limits, bits);
      const context = {
        costs: this.#costs,
        limits,
        description: this.#model.description,
        count: this.#compiler.layers,
        seed,
        bits: residualBits === 'any' ? ANALYSIS_BITS : residualBits,
        base: contributions.base,
        contribution,
        stopped: () => this.#stopped(),
      };
      for (const one of await contestants(context, scored)) {
        const key = `${one.scheme} ${one.residualBits}`;
        // The same scheme for another budget keeps its first name; names stay unlike each other.
        if (named.has(key)) continue;
        const many = this.#limits.length > 1 && one.kind !== 'baseline';
        const name = unlike(many ? `${one.name} for ${thousands(limits.sram)} B` : one.name, named);
        named.set(key, { ...one, name, sum: contribution.sum(one.candidate) });
      }
    }
    const result = new Map<string, { contestant: Contestant; program: Program }>();
    for (const { candidate: _, ...one } of named.values()) {
      this.#stopped();
      const program = await this.#compiler.compile({ scheme: one.scheme, residualBits: one.residualBits });
      const sram = program.memoryOn(this.#plan.target).sram.total;
      const instructions = instructionsOfStep(program, this.#plan.costs, this.#plan.target);
      result.set(one.name, { contestant: { ...one, sram, instructions }, program });
    }
    return result;
  }

  #keys(of: readonly Contestant[], on: TrialKey['on']): TrialKey[] {
    const { seed, seeds, proofVisits } = this.#plan;
    const { train, all } = this.#samples;
    // As many times every sample, whether some are held back or not.
    const visits = on === 'test' ? Math.round((proofVisits * all.size) / train.size) : proofVisits;
    return Array.from({ length: seeds }, (_, s) =>
      of.map(({ scheme, residualBits }) => ({ scheme, residualBits, seed: seed + s, visits, on })),
    ).flat();
  }

  async #prove(of: readonly Contestant[]): Promise<Proved[]> {
    const records = await this.#train('proof', this.#keys(of, 'validation'));
    return of.map((contestant, i) => {
      const own = records
        .filter((record, place) => record && place % of.length === i)
        .filter(record => record !== undefined);
      const { accuracy, loss } = estimates(own);
      this.#emit({ type: 'proof', contestant, validation: accuracy });
      return { ...contestant, accuracy: { validation: accuracy, test: null }, loss: { validation: loss, test: null } };
    });
  }

  async #test(of: readonly Proved[]): Promise<{ tested: Proved[]; records: Map<string, TrialRecord[]> }> {
    const found = await this.#train('test', this.#keys(of, 'test'));
    const records = new Map(
      of.map(({ name }, i) => [
        name,
        found.filter((_, place) => place % of.length === i).filter(record => record !== undefined),
      ]),
    );
    const tested = of.map(one => {
      const own = records.get(one.name) ?? [];
      const { accuracy, loss } = estimates(own);
      if (own.length === 0) return one;
      return {
        ...one,
        accuracy: { ...one.accuracy, test: accuracy },
        loss: { ...one.loss, test: loss },
      };
    });
    return { tested, records };
  }

  async #result(): Promise<SearchResult> {
    this.#enter('analysis');
    const contributions = await this.#contributions();
    this.#expected.analysis = this.#trials.visits;
    this.#emit({ type: 'analysis', contributions });
    this.#enter('evolution');
    const entered = await this.#contestants(contributions);
    this.#enter('proof');
    const proved = await this.#prove([...entered.values()].map(({ contestant }) => contestant));
    const winners = this.#plan.budgets.map(budget => winner(proved.filter(({ sram }) => sram <= budget)));
    const found = winners.at(-1);
    if (!found) {
      throw new TinytrainError('TIME_TOO_SHORT', 'the time was over before any scheme was proved', {
        help: ['give it more with --time, or go on with --resume'],
      });
    }
    this.#enter('test');
    // Winners first, should the time be short.
    const order = [...new Set([...winners.filter(one => one !== undefined), ...proved])];
    const { tested, records } = await this.#test(order);
    const named = new Map(tested.map(one => [one.name, one]));
    const program = entered.get(found.name)?.program;
    if (!program) throw new TinytrainError('INTERNAL', `internal: ${found.name} has no program`);
    return this.#assemble({ contributions, found, winners, proved, named, records, program });
  }

  #assemble(all: {
    contributions: Contributions;
    found: Proved;
    winners: readonly (Proved | undefined)[];
    proved: readonly Proved[];
    named: ReadonlyMap<string, Proved>;
    records: ReadonlyMap<string, readonly TrialRecord[]>;
    program: Program;
  }): SearchResult {
    const { contributions, found, winners, proved, named, records, program } = all;
    const { budgets, target } = this.#plan;
    const best = named.get(found.name) ?? found;
    const difference = (one: Proved, other: Proved): Estimate | null => {
      const own = records.get(one.name) ?? [];
      const pairs = (records.get(other.name) ?? []).flatMap(record => {
        const same = own.find(({ seed }) => seed === record.seed);
        return same ? [same.accuracy - record.accuracy] : [];
      });
      return pairs.length > 0 ? estimate(pairs) : null;
    };
    const besides = (one: Proved) => proved.filter(({ name }) => name !== one.name);
    const baselines = besides(found).map(one => named.get(one.name) ?? one);
    const front = budgets.flatMap((budget, i): FrontPoint[] => {
      const one = winners[i];
      if (!one) return [];
      const comparisons = besides(one)
        .filter(({ sram }) => sram <= budget)
        .flatMap((other): Comparison[] => {
          const found = difference(one, other);
          return found ? [{ name: other.name, kind: other.kind, difference: found }] : [];
        });
      return [{ budget, ...(named.get(one.name) ?? one), comparisons }];
    });
    const judged = proved.filter(({ accuracy }) => accuracy.validation.seeds > 0);
    const { train, validation, test } = this.#samples;
    const { name, input } = this.#model.description;
    return {
      tinytrain: version,
      model: { name, hash: this.#model.hash, input: input.shape },
      data: {
        hash: this.#data.hash,
        classes: this.#data.classes,
        train: train.size,
        validation: validation.size,
        test: test.size,
      },
      plan: this.#plan,
      scheme: best.scheme,
      residualBits: best.residualBits,
      budget: budgets.at(-1) ?? 0,
      memory: program.memoryOn(target),
      instructions: best.instructions,
      accuracy: best.accuracy,
      baselines,
      contributions,
      front,
      prediction: {
        spearman: spearman(
          judged.map(({ sum }) => sum),
          judged.map(({ accuracy }) => accuracy.validation.mean),
        ),
        schemes: judged.length,
      },
      evaluations: this.#costs.evaluations,
      trials: this.#trials.records(),
      leftOut: [...this.#trials.leftOut].map(([what, runs]) => `${what}: ${runs} training runs`),
    };
  }
}

function unlike(name: string, others: ReadonlyMap<string, { readonly name: string }>): string {
  const taken = new Set([...others.values()].map(other => other.name));
  let result = name;
  for (let i = 2; taken.has(result); i++) result = `${name} (${i})`;
  return result;
}

/** What no scheme takes less of than the head alone. */
function refuse(name: string, limit: number, least: number, option: string, unit: string): void {
  if (least <= limit) return;
  const of =
    unit === 'instructions'
      ? `a limit of ${thousands(limit)} instructions`
      : `a budget of ${thousands(limit)} B of ${name}`;
  const needs = unit === 'instructions' ? `takes ${thousands(least)} a step` : `needs ${thousands(least)} B`;
  throw new TinytrainError('BUDGET_TOO_SMALL', `${of} is below the smallest scheme: training the head alone ${needs}`, {
    region: name.toLowerCase(),
    budget: limit,
    least,
    help: [`the least is ${option} ${least}`],
  });
}

/** Limits for each budget. Refused where not even the head fits. */
async function limitsOf(compiler: Compiler, plan: SearchPlan): Promise<Limits[]> {
  const program = await compiler.compile({ scheme: 'head' });
  const memory = program.memoryOn(plan.target);
  const flash = Math.min(plan.flash ?? Number.POSITIVE_INFINITY, memory.flash.available);
  const instructions = plan.maxInstructions ?? Number.POSITIVE_INFINITY;
  refuse('SRAM', plan.budgets[0] ?? 0, memory.sram.total, '--budget', 'B');
  refuse('flash', flash, memory.flash.total, '--flash', 'B');
  const least = instructionsOfStep(program, plan.costs, plan.target);
  refuse('instructions', instructions, least, '--max-instructions', 'instructions');
  return plan.budgets.map(sram => ({ sram, flash, instructions }));
}

/**
 * Finds the update scheme that learns best within a budget of SRAM: contributions by short training runs, evolution over what the planner says fits,
 * proof by real training. Yields events as it goes on; the last one is `done`. The same seed finds the same, however many threads and interruptions.
 */
export async function* search(
  model: Model,
  data: SampleSet,
  options: SearchOptions,
): AsyncGenerator<SearchEvent, void, void> {
  const channel = new Channel<SearchEvent>();
  const controller = new AbortController();
  const { signal } = options;
  const stop = () => controller.abort();
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  const work = Search.run(model, data, { ...options, signal: controller.signal }, event => channel.push(event)).then(
    () => channel.end(),
    error => channel.end(error),
  );
  try {
    yield* channel;
  } finally {
    // Whoever stops listening stops the search.
    stop();
    signal?.removeEventListener('abort', stop);
    await work;
  }
}
