/**
 * Contenders in turns. A round asks each for one batch of calls and takes the batch's median; a batch in which the core was taken away is thrown away and
 * asked for again; rounds go on until the medians agree or the time is up.
 */
import { stolen, worked } from './machine.mjs';
import { median, summary } from './statistics.mjs';

/** A batch takes about so long: short, so that what slows the machine slows all contenders of a round. */
const BATCH_NS = 40e6;
/** Share of a batch that a contender may be without its core: the median of many calls does not see the one that was interrupted, a single call does. */
const AWAY_LIMIT = { many: 0.1, one: 0.02 };
/** Batches that a contender may ask for in a round; without an undisturbed one the round is none. */
const ATTEMPTS = 4;
/** Milliseconds of a tick. */
const TICK = 10;
/** Distance of the quartiles, as a share of the median, up to which the machine counts as quiet. */
export const SPREAD_LIMIT = 0.04;

/** What is known of a contender's cores, in milliseconds so far. */
function account(worker) {
  const { cores } = worker;
  return { waited: worker.waited() / 1e6, stolen: stolen(cores), others: worked(cores) - worker.worked() };
}

/** One batch: nanoseconds of a call, and whether the contender was without its cores for too long. */
async function batch({ worker, line, of = median }, calls) {
  const before = account(worker);
  const began = performance.now();
  const times = await worker.ask(line(calls));
  const ms = performance.now() - began;
  const after = account(worker);
  // The system counts work in ticks of ten milliseconds, which says something of a long batch only.
  const others = Math.max(0, after.others - before.others - 2 * TICK * worker.cores.length);
  const away = (after.waited - before.waited + after.stolen - before.stolen + others) / ms;
  const limit = times.length > 1 && of === median ? AWAY_LIMIT.many : AWAY_LIMIT.one;
  return { time: of(times), disturbed: away > limit };
}

/** Contenders: `{ name, worker, line }`, `line(n)` asking for n calls; `calls` where the number is fixed, `of` where it is not the median that counts. */
export async function alternate(contenders, { rounds, seconds, onRound = () => {} }) {
  const counts = [];
  for (const contender of contenders) {
    const { time } = await batch(contender, contender.calls ?? 5);
    counts.push(contender.calls ?? Math.min(10_000, Math.max(3, Math.round(BATCH_NS / time))));
    await batch(contender, counts.at(-1));
  }
  const names = contenders.map(({ name }) => name);
  const good = new Map(names.map(name => [name, []]));
  // Rounds with a batch that was disturbed every time: no figures, but better than nothing to look at.
  const rough = new Map(names.map(name => [name, []]));
  const spreads = () => names.map(name => summary(good.get(name)).spread);
  const began = performance.now();
  let [kept, thrown] = [0, 0];
  for (let round = 0; ; round++) {
    let whole = true;
    const found = new Map();
    // Who is first changes, so that nobody always follows the same one.
    for (let i = 0; i < contenders.length; i++) {
      const at = (round + i) % contenders.length;
      const seen = [];
      let last = { disturbed: true };
      for (let attempt = 0; attempt < ATTEMPTS && last.disturbed; attempt++) {
        last = await batch(contenders[at], counts[at]);
        seen.push(last.time);
        if (last.disturbed) thrown++;
      }
      whole &&= !last.disturbed;
      found.set(names[at], last.disturbed ? Math.min(...seen) : last.time);
    }
    for (const [name, time] of found) (whole ? good : rough).get(name).push(time);
    if (whole) kept++;
    onRound(kept, thrown);
    const late = performance.now() - began > seconds * 1000;
    if (kept >= rounds && (late || Math.max(...spreads()) <= SPREAD_LIMIT)) break;
    // Nothing to be had: three times the time, and still no rounds.
    if (performance.now() - began > 3 * seconds * 1000) break;
  }
  const quiet = kept >= rounds && Math.max(...spreads()) <= SPREAD_LIMIT;
  const times = kept >= rounds ? good : new Map(names.map(name => [name, [...good.get(name), ...rough.get(name)]]));
  return {
    quiet,
    rounds: kept,
    thrown,
    calls: Object.fromEntries(names.map((name, i) => [name, counts[i]])),
    times: Object.fromEntries([...times].map(([name, list]) => [name, summary(list)])),
    each: times,
  };
}

/** How many times longer `slow` takes than `fast`: the quartiles of the rounds' own ratios. */
export function ratio({ each }, slow, fast) {
  const fasts = each.get(fast);
  return summary(each.get(slow).map((time, i) => time / fasts[i]));
}
