import { duration, table, thousands } from '../format.js';
import type { Estimate, Milliseconds, StepEstimate, Time } from '../program/costs.js';

/** Milliseconds with as many digits as they are worth: `0.42`, `8.5`, `165`. */
function digits(ms: number): string {
  if (ms >= 99.5) return thousands(Math.round(ms));
  return ms >= 9.95 ? ms.toFixed(0) : ms >= 0.995 ? ms.toFixed(1) : ms.toFixed(2);
}

function range({ low, high }: Milliseconds): string {
  return low === high ? '' : ` (${digits(low)} to ${digits(high)})`;
}

function megahertz(clockHz: number): string {
  return `${Number((clockHz / 1e6).toPrecision(4))} MHz`;
}

function sourceText({ clockHz, source }: Time): string {
  return source === 'measured'
    ? `measured at ${megahertz(clockHz)}`
    : `modelled for ${megahertz(clockHz)}, not measured`;
}

/** `about 165 ms (140 to 200), modelled for 216 MHz, not measured`; `what` follows the unit, such as ` a step`. */
export function timeText(time: Time, what = ''): string {
  const about = time.source === 'measured' ? '' : 'about ';
  return `${about}${digits(time.milliseconds.likely)} ms${what}${range(time.milliseconds)}, ${sourceText(time)}`;
}

/** The time of many training steps, in minutes once it is long: `about 14 min 20 s (12 min 9 s to 17 min 30 s) for 5,000 steps`. */
export function trainingText({ milliseconds, source }: Time, steps: number): string {
  const of = (ms: number) => duration((ms * steps) / 1000);
  const { low, likely, high } = milliseconds;
  const between = low === high ? '' : ` (${of(low)} to ${of(high)})`;
  return `${source === 'measured' ? '' : 'about '}${of(likely)}${between} for ${thousands(steps)} steps`;
}

/** Lines on what a Program takes, without the board's memory: instructions and time. */
export function estimateLines({ instructions, time }: Pick<Estimate, 'instructions' | 'time'>): string[] {
  const line = (name: string, count: number, of: Time | undefined, what: string) =>
    `${name}  ${thousands(count)} instructions${of ? `, ${timeText(of, what)}` : ''}`;
  return [
    line('inference', instructions.inference, time?.inference, ''),
    line('training ', instructions.trainStep, time?.trainStep, ' a step'),
  ];
}

/** A table of every step of a training step: instructions and milliseconds. */
export function stepTable(steps: readonly StepEstimate[]): string {
  const rows = steps.map(({ label, kind, instructions, milliseconds }, i) => [
    i,
    label,
    kind,
    instructions,
    milliseconds ? `${digits(milliseconds.likely)}${range(milliseconds)}` : '',
  ]);
  return table([['step', 'of', 'kind', 'instructions', 'ms'], ...rows]);
}
