/**
 * Runs contenders in turns. A round requests one batch of calls from each and takes the batch's median; a batch during which the core was taken away is discarded
 * and requested again; rounds continue until the medians agree or the time is up.
 */
import { stolen, worked } from './machine.mjs';
import { median, summary } from './statistics.mjs';

/** Approximate duration of a batch: short, so that anything that slows the machine slows all contenders of a round. */
const BATCH_NS = 40e6;
/** Share of a batch for which a contender may be without its core: an interruption does not affect the median of many calls, but it does affect a single call. */
const AWAY_LIMIT = { many: 0.1, one: 0.02 };
/** Most batches per contender in a round; without an undisturbed one, the round does not count. */
const ATTEMPTS = 4;
/** Milliseconds per tick. */
const TICK = 10;
/** Distance between the quartiles, as a share of the median, up to which the machine counts as quiet. */
export const SPREAD_LIMIT = 0.04;

/** The load of a contender's cores, in milliseconds so far. */
function account(worker) {
  const { cores } = worker;
  return { waited: worker.waited() / 1e6, stolen: stolen(cores), others: worked(cores) - worker.worked() };
}

/** One batch: nanoseconds per call, and whether the contender was without its cores for too long. */
async function batch({ worker, line, of = median }, calls) {
  const before = account(worker);
  const began = performance.now();
  const times = await worker.ask(line(calls));
  const ms = performance.now() - began;
  const after = account(worker);
  // The system counts in ticks of ten milliseconds, which is meaningful only for a long batch.
  const others = Math.max(0, after.others - before.others - 2 * TICK * worker.cores.length);
  const away = (after.waited - before.waited + after.stolen - before.stolen + others) / ms;
  const limit = times.length > 1 && of === median ? AWAY_LIMIT.many : AWAY_LIMIT.one;
  return { time: of(times), disturbed: away > limit };
}

/** Contenders are `{ name, worker, line }`, where `line(n)` requests n calls; `calls` if the number is fixed, `of` if another statistic than the median is used. */
export async function alternate(contenders, { rounds, seconds, onRound = () => {} }) {
  const counts = [];
  for (const contender of contenders) {
    const { time } = await batch(contender, contender.calls ?? 5);
    counts.push(contender.calls ?? Math.min(10_000, Math.max(3, Math.round(BATCH_NS / time))));
    await batch(contender, counts.at(-1));
  }
  const names = contenders.map(({ name }) => name);
  const good = new Map(names.map(name => [name, []]));
  // Rounds in which a contender had no undisturbed batch: not reliable, but better than nothing.
  const rough = new Map(names.map(name => [name, []]));
  const spreads = () => names.map(name => summary(good.get(name)).spread);
  const began = performance.now();
  let [kept, thrown] = [0, 0];
  for (let round = 0; ; round++) {
    let whole = true;
    const found = new Map();
    // The order rotates, so that no contender always runs first.
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
    // Give up: three times the time, and still not enough rounds.
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

/** The ratio of the time of `slow` to that of `fast`: the quartiles of the ratios within rounds. */
export function ratio({ each }, slow, fast) {
  const fasts = each.get(fast);
  return summary(each.get(slow).map((time, i) => time / fasts[i]));
}
