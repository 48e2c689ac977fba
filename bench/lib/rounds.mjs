/**
 * Contenders in turns. A round asks each for one batch of calls and takes the batch's median; a round in which anything else ran on the core is thrown away;
 * rounds go on until the medians agree or the time is up.
 */
import { stolen } from './machine.mjs';
import { median, summary } from './statistics.mjs';

/** A batch takes about so long: short, so that what slows the machine slows all contenders of a round. */
const BATCH_NS = 40e6;
/** Share of a batch that a contender may wait for its core. */
const WAIT_LIMIT = 0.01;
/** Distance of the quartiles, as a share of the median, up to which the machine counts as quiet. */
export const SPREAD_LIMIT = 0.04;

/** One batch: nanoseconds of a call, and what share of the batch the contender did not have its core. */
async function batch({ worker, line }, calls) {
  const before = { waited: worker.waited(), stolen: stolen(worker.cores), at: performance.now() };
  const times = await worker.ask(line(calls));
  const ms = performance.now() - before.at;
  const away = (worker.waited() - before.waited) / 1e6 + (stolen(worker.cores) - before.stolen);
  return { time: median(times), away: away / ms };
}

/** Contenders: `{ name, worker, line }`, `line(n)` asking for n calls; `calls` where the number is fixed. */
export async function alternate(contenders, { rounds, seconds, onRound = () => {} }) {
  const counts = [];
  for (const contender of contenders) {
    const { time } = await batch(contender, contender.calls ?? 5);
    counts.push(contender.calls ?? Math.min(10_000, Math.max(3, Math.round(BATCH_NS / time))));
    await batch(contender, counts.at(-1));
  }
  const times = new Map(contenders.map(({ name }) => [name, []]));
  const spreads = () => [...times.values()].map(list => summary(list).spread);
  const began = performance.now();
  let [kept, thrown] = [0, 0];
  for (let round = 0; ; round++) {
    const found = [];
    // Who is first changes, so that nobody always follows the same one.
    for (let i = 0; i < contenders.length; i++) {
      const at = (round + i) % contenders.length;
      found.push({ name: contenders[at].name, ...(await batch(contenders[at], counts[at])) });
    }
    if (found.every(({ away }) => away <= WAIT_LIMIT)) {
      for (const { name, time } of found) times.get(name).push(time);
      kept++;
    } else {
      thrown++;
    }
    onRound(kept, thrown);
    const late = performance.now() - began > seconds * 1000;
    if (kept >= rounds && (late || Math.max(...spreads()) <= SPREAD_LIMIT)) break;
    // Nothing to be had: three times the time, and still no rounds.
    if (performance.now() - began > 3 * seconds * 1000) break;
  }
  const quiet = kept >= rounds && Math.max(...spreads()) <= SPREAD_LIMIT;
  return {
    quiet,
    rounds: kept,
    thrown,
    calls: Object.fromEntries(contenders.map(({ name }, i) => [name, counts[i]])),
    times: Object.fromEntries([...times].map(([name, list]) => [name, list.length > 0 ? summary(list) : null])),
    each: times,
  };
}

/** How many times longer `slow` takes than `fast`: the quartiles of the rounds' own ratios. */
export function ratio({ each }, slow, fast) {
  const fasts = each.get(fast);
  return summary(each.get(slow).map((time, i) => time / fasts[i]));
}
