/** The distribution of our time: each step of a Program, the least time of many runs. */
import { median } from './statistics.mjs';

const CALLS = 100;
const SLOWEST = 12;

/** The kind of a step, without shapes: `conv 1x1`, `conv_weight 3x3 depthwise`. */
const kindOf = ({ label, shape }) => `${label.replace(/ \d+$/, '')} ${shape.split(', ')[1] ?? ''}`.trimEnd();

const cell = (value, width) => value.padStart(width);
const micro = ns => cell((ns / 1e3).toFixed(1), 9);
const rate = ({ macs, ns }) => cell(macs > 0 && ns > 0 ? (macs / ns).toFixed(1) : '', 8);

/** The profile of a worker's Program; `word` is the command that runs all of it. */
export async function profile(title, worker, word) {
  const whole = median(await worker.ask(`${word} ${CALLS}`));
  const steps = await worker.ask(`layers ${CALLS}`);
  const sum = steps.reduce((total, { ns }) => total + ns, 0);
  const kinds = new Map();
  for (const step of steps) {
    const kind = kinds.get(kindOf(step)) ?? { steps: 0, macs: 0, ns: 0 };
    kinds.set(kindOf(step), { steps: kind.steps + 1, macs: kind.macs + step.macs, ns: kind.ns + step.ns });
  }
  console.log(
    `\n${title}: ${(whole / 1e3).toFixed(1)} us as a whole, ${(sum / 1e3).toFixed(1)} us as the sum of ${steps.length} steps`,
  );
  console.log(`${'kind'.padEnd(34)}${cell('steps', 6)}${cell('us', 9)}${cell('share', 8)}${cell('GMAC/s', 8)}`);
  for (const [kind, found] of [...kinds].toSorted(([, a], [, b]) => b.ns - a.ns)) {
    const share = `${((100 * found.ns) / sum).toFixed(1)} %`;
    console.log(`${kind.padEnd(34)}${cell(String(found.steps), 6)}${micro(found.ns)}${cell(share, 8)}${rate(found)}`);
  }
  console.log('slowest steps');
  for (const step of steps.toSorted((a, b) => b.ns - a.ns).slice(0, SLOWEST)) {
    console.log(`${`${step.label.padEnd(18)} ${step.shape}`.padEnd(57)}${micro(step.ns)}${rate(step)}`);
  }
  return { title, whole, sum, steps };
}
