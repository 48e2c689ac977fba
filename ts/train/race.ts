import type { Dataset, SampleSet } from '../data/dataset.js';
import { heldBack } from '../data/heldback.js';
import { aborted } from '../errors.js';
import { meanLoss } from '../loss.js';
import { type ActivationCache, type Control, native, wait, watched } from '../native.js';
import { type Work, workOf } from '../program/costs.js';
import type { Program } from '../program/program.js';
import { evenly, ruledRate } from '../program/rule.js';
import type { PeakRates } from '../rates.js';
import { augmentInSteps, isOff } from './augment.js';
import { countsOf, priorLoss } from './classes.js';
import type { FoundRates, TrainPlan, TriedRates } from './types.js';

/** From a rate to the next one that is tried. */
const STRIDE = 4;
/** The share of the training samples that is held back for the race, and the most of them that are measured. */
const HELD_BACK = 0.2;
const MOST_HELD_BACK = 300;
/** With fewer samples a class, a race would choose noise. */
const LEAST_PER_CLASS = 10;
/** A round of the race: its share of the work, and about how many runs it has. All but the first are for the best of the round before. */
interface Round {
  readonly share: number;
  readonly runs: number;
}
/** Rounds where one rate is looked for, and where both are. */
const ONE_RATE: readonly Round[] = [
  { share: 0.45, runs: 4 },
  { share: 0.55, runs: 2 },
];
const BOTH_RATES: readonly Round[] = [
  { share: 0.4, runs: 8 },
  { share: 0.3, runs: 3 },
  { share: 0.3, runs: 2 },
];
/** The first round makes at most this many times as many runs as expected. */
const MOST_TRIED = 1.5;
/**
 * A backbone learns only once its head has: short runs favour rates that are too low for the whole. In runs shorter than `LEAST_SHARE` of the whole, a rate
 * of a quarter of the rule's has to beat it by this factor in loss, one of a sixteenth by its square.
 */
const HANDICAP = 1.5;
/** Runs shorter than this share of the whole favour a head that is too fast for the whole: they do not decide on it where more than the head is trained. */
const LEAST_SHARE = 0.5;
/** Races in which no loss is below this share of the loss of the class priors have told nothing. */
const LEARNED = 0.97;
/** With fewer steps a run tells nothing of the whole one. */
const LEAST_STEPS = 50;

/**
 * Work is counted in products, so that the same is tried on every machine. A race may take 15 % of that of the run, or what two cores with AVX2 do in
 * about three seconds. A step of a Program takes the time of some products before it multiplies anything.
 */
const SHARE = 0.15;
const LEAST_WORK = 45e9;
const STEP_WORK = 55e3;

/** What a race needs besides Program and data. */
export interface RaceOptions {
  readonly plan: TrainPlan;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** A pair of rates as powers of two times the rule's. */
interface Place {
  readonly head: number;
  readonly backbone: number;
}

const nameOf = ({ head, backbone }: Place) => `${head},${backbone}`;

/** The work of a part of a Program's steps, in products. */
function workIn(steps: readonly Work[]): number {
  return steps.reduce((sum, { terms }) => sum + terms[3] + STEP_WORK, 0);
}

/** Work of a Program in products: of the frozen steps of a sample, of the rest of a training step, of the rest of a prediction. */
interface Effort {
  readonly frozen: number;
  readonly step: number;
  readonly prediction: number;
}

function effortOf(program: Program, cached: boolean): Effort {
  const work = workOf(program);
  const frozen = cached ? native().frozenSteps(program.handle) : 0;
  return {
    frozen: workIn(work.slice(0, frozen)),
    step: workIn(work.slice(frozen)),
    prediction: workIn(work.slice(frozen, program.record.forward)),
  };
}

/** Samples to race on. */
interface Track {
  readonly train: Dataset;
  readonly held: Dataset;
}

/** Why there is no race; or the samples of one. */
async function trackOf(data: SampleSet, { seed, replaySteps }: TrainPlan): Promise<Track | string> {
  // What the buffer keeps is trained on again and cannot be held back; images of the others alone would favour rates at which it is forgotten.
  if (replaySteps > 0)
    return 'classes that only the replay buffer has are not among the images that could be held back';
  const least = Math.min(...countsOf(data.train, data.classes.length).filter(count => count > 0));
  if (least < LEAST_PER_CLASS) return `${least} images in a class are too few to hold some back`;
  if (data.validation && data.validation.size > 0) {
    return { train: data.train, held: evenly(data.validation, MOST_HELD_BACK) };
  }
  const held = await heldBack(data, Math.min(HELD_BACK, MOST_HELD_BACK / data.train.size), seed);
  const places = Array.from(data.train.labels.keys());
  return {
    train: data.train.subset(places.filter(place => !held.has(place))),
    held: data.train.subset(places.filter(place => held.has(place))),
  };
}

/** The race itself: makes runs, several at a time, and remembers what they gave. */
class Race {
  readonly #program: Program;
  readonly #track: Track;
  readonly #options: RaceOptions;
  readonly #rates: (place: Place) => PeakRates;
  readonly #control: Control;
  #caches: readonly (ActivationCache | undefined)[] = [];
  readonly tried: TriedRates[] = [];
  readonly #losses = new Map<string, number>();
  #expected: number;

  constructor(
    program: Program,
    track: Track,
    rates: (place: Place) => PeakRates,
    expected: number,
    options: RaceOptions,
  ) {
    this.#program = program;
    this.#track = track;
    this.#rates = rates;
    this.#options = options;
    this.#control = new (native().Control)();
    this.#expected = expected;
  }

  /** Computes what frozen layers make of the samples. */
  async cache(): Promise<void> {
    const frozen = native().frozenSteps(this.#program.handle);
    const { threads, signal } = this.#options;
    if (frozen === 0) return;
    const { handle: program } = this.#program;
    const most = Number.MAX_SAFE_INTEGER;
    const keep = ({ handle }: Dataset) =>
      watched(control => native().ActivationCache.compute(program, handle, frozen, most, threads, control), { signal });
    this.#caches = [await keep(this.#track.train), await keep(this.#track.held)];
  }

  loss(place: Place, steps: number): number {
    return this.#losses.get(`${nameOf(place)} ${steps}`) ?? Number.POSITIVE_INFINITY;
  }

  /** Runs of `steps` steps with the rates of some places. */
  async run(places: readonly Place[], steps: number): Promise<void> {
    const { signal, threads } = this.#options;
    const open = places.filter(place => !this.#losses.has(`${nameOf(place)} ${steps}`));
    const results = new Map<Place, TriedRates>();
    let next = 0;
    const worker = async () => {
      for (let place = open[next++]; place; place = open[next++]) {
        results.set(place, await this.#one(place, steps));
        this.#expected = Math.max(this.#expected, this.tried.length + results.size);
        this.#options.onProgress?.(this.tried.length + results.size, this.#expected);
      }
    };
    const stop = () => this.#control.abort();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const ends = await Promise.allSettled(Array.from({ length: Math.min(threads, open.length) }, worker));
      const failed = ends.find(end => end.status === 'rejected');
      if (signal?.aborted) throw aborted('the race for the learning rates', signal);
      if (failed) throw failed.reason;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
    for (const place of open) {
      const found = results.get(place);
      if (!found) continue;
      this.tried.push(found);
      this.#losses.set(`${nameOf(place)} ${steps}`, found.loss);
    }
  }

  async #one(place: Place, steps: number): Promise<TriedRates> {
    const { head, backbone } = this.#rates(place);
    const { plan, signal } = this.#options;
    if (signal?.aborted) throw aborted('the race for the learning rates', signal);
    const { train, held } = this.#track;
    const [learned, measured] = this.#caches;
    const found = await wait(() =>
      native().trial(
        this.#program.handle,
        [train.handle, learned],
        [held.handle, measured],
        {
          headRate: head,
          backboneRate: backbone,
          steps,
          seed: plan.seed,
          augment: augmentInSteps(plan.augment, this.#program),
          balance: plan.balance,
        },
        this.#control,
      ),
    );
    return { head, backbone, steps, loss: meanLoss(found.loss, held.size), accuracy: found.correct / held.size };
  }

  /** Places after `steps` steps, the best first; of equal ones the first. */
  ranked(places: readonly Place[], steps: number): Place[] {
    const short = steps < LEAST_SHARE * this.#options.plan.steps;
    const score = (place: Place) => {
      const below = Math.max(0, -place.backbone) / Math.log2(STRIDE);
      return this.loss(place, steps) * (short ? HANDICAP ** below : 1);
    };
    return [...places].sort((a, b) => score(a) - score(b));
  }

  /** Training steps so far. */
  get steps(): number {
    return this.tried.reduce((sum, { steps }) => sum + steps, 0);
  }
}

/** The directions in which rates are free. */
function directions(plan: TrainPlan, trained: boolean): Place[] {
  const head = plan.lrHead === 'auto' ? [{ head: 1, backbone: 0 }] : [];
  const backbone = plan.lr === 'auto' && trained ? [{ head: 0, backbone: 1 }] : [];
  return [...backbone, ...head].flatMap(d => [d, { head: -d.head, backbone: -d.backbone }]);
}

/** Neighbours of a place, `stride` being the exponent of two from one to the next. */
function neighbours(place: Place, ways: readonly Place[], stride: number): Place[] {
  return ways.map(way => ({
    head: place.head + way.head * stride,
    backbone: place.backbone + way.backbone * stride,
  }));
}

/** Runs of a race, and the steps of a run in each of its rounds. */
interface Course {
  readonly ways: readonly Place[];
  readonly rounds: readonly Round[];
  readonly lengths: readonly number[];
  /** The steps that all runs may take together. */
  readonly most: number;
}

/**
 * First round: from the best place so far to all its neighbours, until it is better than each of them (or too many have been tried). So no edge of a grid
 * can be the best. Then the best go on with more steps; where the last round is the whole run, the winner's nearer neighbours are tried too.
 */
async function pursue(race: Race, { ways, rounds, lengths, most: mostSteps }: Course, whole: number): Promise<Place> {
  const stride = Math.log2(STRIDE);
  const [first = 1] = lengths;
  const most = Math.ceil((rounds[0]?.runs ?? 1) * MOST_TRIED);
  const known = new Map<string, Place>();
  let best: Place = { head: 0, backbone: 0 };
  for (;;) {
    const around = [best, ...neighbours(best, ways, stride)].filter(place => !known.has(nameOf(place)));
    if (around.length === 0 || known.size + around.length > most) break;
    await race.run(around, first);
    for (const place of around) known.set(nameOf(place), place);
    best = race.ranked([...known.values()], first)[0] ?? best;
  }
  let left = [...known.values()];
  for (const [i, { runs }] of rounds.entries()) {
    const steps = lengths[i] ?? first;
    left = i === 0 ? left : left.slice(0, runs);
    await race.run(left, steps);
    left = race.ranked(left, steps);
  }
  const [winner = best] = left;
  if ((lengths.at(-1) ?? 0) < whole) return winner;
  const near = [winner, ...neighbours(winner, ways, stride / 2)];
  if (race.steps + ways.length * whole > mostSteps) return winner;
  await race.run(near, whole);
  return race.ranked(near, whole)[0] ?? winner;
}

/** Steps of a run in each round, from the work that there is for all of them. */
function lengthsOf(rounds: readonly Round[], work: number, effort: Effort, held: number, whole: number): number[] {
  return rounds.map(({ share, runs }) => {
    const steps = ((share * work) / runs - held * effort.prediction) / effort.step;
    return Math.min(whole, Math.floor(steps));
  });
}

/** The course of a race; undefined if there is too little work for one. */
function courseOf(
  plan: TrainPlan,
  trained: boolean,
  most: number,
  lengths: (rounds: readonly Round[]) => number[],
): Course | undefined {
  const ways = directions(plan, trained);
  const both = ways.length > 2;
  const course = (chosen: readonly Place[], rounds: readonly Round[]) => {
    return { ways: chosen, rounds, lengths: lengths(rounds), most };
  };
  const whole = course(ways, both ? BOTH_RATES : ONE_RATE);
  const [first = 0] = whole.lengths;
  if (first >= Math.min(plan.steps, LEAST_STEPS) && (!trained || first >= LEAST_SHARE * plan.steps)) return whole;
  const some = course(
    ways.filter(({ backbone }) => backbone !== 0),
    ONE_RATE,
  );
  const [least = 0] = some.lengths;
  return some.ways.length > 0 && least >= Math.min(plan.steps, LEAST_STEPS) ? some : undefined;
}

/**
 * The learning rates of a run. Rates that the plan fixes stay; the others are found: those of the rule `2 / mean(1 + |f|^2)` and their surroundings race for
 * the lowest loss on samples held back from the training split, under the run's schedule over fewer steps. The result depends on seed and data alone.
 */
export async function findRates(program: Program, data: SampleSet, options: RaceOptions): Promise<FoundRates> {
  const { plan } = options;
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  if (plan.lr !== 'auto' && plan.lrHead !== 'auto') {
    return { head: plan.lrHead, backbone: plan.lr, how: 'given', why: 'given', tried: [], heldBack: 0, seconds: 0 };
  }
  const rule = await ruledRate(program, data.train, options.threads, { signal: options.signal });
  const ratesOf = (place: Place): PeakRates => ({
    head: plan.lrHead === 'auto' ? rule * 2 ** place.head : plan.lrHead,
    backbone: plan.lr === 'auto' ? rule * 2 ** place.backbone : plan.lr,
  });
  const ruled = (why: string): FoundRates => {
    return { ...ratesOf({ head: 0, backbone: 0 }), how: 'rule', why, tried: [], heldBack: 0, seconds: seconds() };
  };
  const trained = program.record.states.some(({ layer }) => layer !== null);
  const track = await trackOf(data, plan);
  if (typeof track === 'string') return ruled(track);

  const cached = isOff(plan.augment);
  const effort = effortOf(program, cached);
  const run = plan.steps * effort.step + Math.min(plan.steps, data.train.size) * effort.frozen;
  const work = Math.max(SHARE * run, LEAST_WORK);
  // Samples that no run of the race reaches need not be computed in advance.
  const most = Math.max(LEAST_STEPS, Math.floor((0.3 * work) / 2 / (effort.step + effort.frozen)));
  const train = evenly(track.train, most);
  const { held } = track;
  const left = work - (train.size + held.size) * effort.frozen;
  const course = courseOf(plan, trained, left / effort.step, rounds =>
    lengthsOf(rounds, left, effort, held.size, plan.steps),
  );
  if (!course) return ruled('a race of three seconds would be too short for this model');
  const expected = course.rounds.reduce((sum, { runs }) => sum + runs, 0);
  const race = new Race(program, { train, held }, ratesOf, expected, options);
  if (cached) await race.cache();
  const winner = await pursue(race, course, plan.steps);
  const least = Math.min(...race.tried.map(({ loss }) => loss));
  if (least > LEARNED * priorLoss(countsOf(held, data.classes.length))) {
    return {
      ...ruled('the short runs of the race learned nothing at any rate'),
      tried: race.tried,
      heldBack: held.size,
    };
  }
  return {
    ...ratesOf(winner),
    how: 'race',
    why: `the lowest loss on ${held.size} images held back from training`,
    tried: race.tried,
    heldBack: held.size,
    seconds: seconds(),
  };
}
