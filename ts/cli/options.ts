import { TinytrainError } from '../errors.js';
import { mostRate } from '../options.js';
import type { Augmentation } from '../train/types.js';

function wrong(option: string, text: string, expected: string): TinytrainError {
  return new TinytrainError('USAGE', `--${option} ${text}: expected ${expected}`, { option, value: text });
}

/** `256k` is 262,144 bytes. */
export function bytes(option: string): (text: string) => number {
  return text => {
    const found = /^(\d+(?:\.\d+)?)([kKmM]?)(?:i?[bB])?$/.exec(String(text));
    const unit = { '': 1, k: 1024, m: 1048576 }[found?.[2]?.toLowerCase() ?? ''] ?? 1;
    const value = Math.round(Number(found?.[1]) * unit);
    if (!found || value <= 0) throw wrong(option, String(text), 'bytes, such as 262144, 256k or 1m');
    return value;
  };
}

/** `40M` is 40,000,000 instructions. */
export function instructions(text: string): number {
  const found = /^(\d+(?:\.\d+)?)([kKmMgG]?)$/.exec(String(text));
  const unit = { '': 1, k: 1e3, m: 1e6, g: 1e9 }[found?.[2]?.toLowerCase() ?? ''] ?? 1;
  const value = Math.round(Number(found?.[1]) * unit);
  if (!found || value <= 0) throw wrong('max-instructions', String(text), 'instructions, such as 40M or 40000000');
  return value;
}

/** `192k,256k` */
export function budgets(text: string): number[] {
  return String(text).split(',').map(bytes('budget'));
}

/** `90s`, `10m` or `1h`, in seconds. */
export function time(option: string): (text: string) => number {
  return text => {
    const found = /^(\d+(?:\.\d+)?)([smh]?)$/.exec(String(text));
    const value = Number(found?.[1]) * ({ '': 1, s: 1, m: 60, h: 3600 }[found?.[2] ?? ''] ?? 1);
    if (!found || value <= 0) throw wrong(option, String(text), 'a time, such as 90s, 10m or 1h');
    return value;
  };
}

/** `128x96`, rows by columns, or one number for both. */
export function inputSize(text: string): { height: number; width: number } {
  const found = /^(\d+)(?:x(\d+))?$/.exec(String(text));
  const height = Number(found?.[1]);
  const width = Number(found?.[2] ?? found?.[1]);
  if (!found || height < 1 || width < 1) throw wrong('input', String(text), 'rows x columns, such as 128x128');
  return { height, width };
}

/** A learning rate, or `auto`. */
export function rate(option: string): (text: string) => number | 'auto' {
  return text => {
    const value = Number(text);
    if (text === 'auto') return text;
    if (!(value > 0 && value <= mostRate))
      throw wrong(option, String(text), `auto, or a number above 0 and at most ${mostRate}`);
    return value;
  };
}

/** An integer in a range. */
export function whole(option: string, from: number, to: number = Number.MAX_SAFE_INTEGER): (value: unknown) => number {
  return value => {
    const number = Number(value);
    if (!Number.isSafeInteger(number) || number < from || number > to) {
      const range =
        to === Number.MAX_SAFE_INTEGER ? `an integer of at least ${from}` : `an integer from ${from} to ${to}`;
      throw wrong(option, String(value), range);
    }
    return number;
  };
}

/** A number above zero. */
export function positive(option: string): (value: unknown) => number {
  return value => {
    const number = Number(value);
    if (!(number > 0 && Number.isFinite(number))) throw wrong(option, String(value), 'a number above 0');
    return number;
  };
}

/** `flip,shift:4` */
export function augmentation(text: string): Augmentation {
  const result: { flip?: boolean; shift?: number } = {};
  for (const part of String(text).split(',')) {
    const shift = /^shift:(\d+)$/.exec(part);
    if (part === 'flip') result.flip = true;
    else if (shift) result.shift = Number(shift[1]);
    else throw wrong('augment', String(text), 'flip, shift:PIXELS or both, such as flip,shift:4');
  }
  return result;
}

/** One number, or one per channel. */
export function numbers(option: string): (text: string) => number[] {
  return text => {
    const values = String(text).split(',').map(Number);
    if (values.some(value => !Number.isFinite(value)))
      throw wrong(option, String(text), 'numbers, such as 127.5 or 124,116,104');
    return values;
  };
}

/** `background=0,person=1` */
export function classMap(text: string): Record<string, number> {
  const entries = String(text)
    .split(',')
    .map((part): [string, number] => {
      const found = /^(.+)=(\d{1,5})$/.exec(part.trim());
      if (!found) throw wrong('map', String(text), 'CLASS=NUMBER,..., such as background=0,person=1');
      return [found[1] ?? '', Number(found[2])];
    });
  return Object.fromEntries(entries);
}

/** The options that select the model. */
export const modelOptions = {
  input: {
    describe: 'rows x columns of the input, for a .pkl',
    type: 'string',
    requiresArg: true,
    coerce: inputSize,
    defaultDescription: 'that of the model',
  },
  mean: {
    describe: 'mean of the input normalisation, in pixel values: real = (pixel - mean) / std',
    type: 'string',
    requiresArg: true,
    coerce: numbers('mean'),
    defaultDescription: 'guessed',
  },
  std: {
    describe: 'standard deviation of the input normalisation, in pixel values',
    type: 'string',
    requiresArg: true,
    coerce: numbers('std'),
    defaultDescription: 'guessed',
  },
} as const;

/** Mean and standard deviation as options of a model. */
export function normalisationOf(args: { mean?: number[] | undefined; std?: number[] | undefined }) {
  return args.mean || args.std ? { mean: args.mean ?? [0], std: args.std ?? [1] } : undefined;
}

/** The options of every command. */
export const commonOptions = {
  json: { describe: 'print one JSON object on stdout and nothing else', type: 'boolean', default: false },
} as const;

/** The most seeds of one command. */
const MOST_SEEDS = 1000;

/** `3`, or `1..5` for each from 1 to 5. */
export function seeds(option: string): (text: unknown) => number | readonly number[] {
  return text => {
    const found = /^(\d+)\.\.(\d+)$/.exec(String(text));
    if (!found) return whole(option, 0)(text);
    const [from, to] = [Number(found[1]), Number(found[2])];
    if (!Number.isSafeInteger(to) || from > to || to - from >= MOST_SEEDS)
      throw wrong(
        option,
        String(text),
        `one seed, or from the first to the last of at most ${MOST_SEEDS}, such as 1..5`,
      );
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  };
}

/** An option that also writes a table to a file. */
export const csvOption = (rows: string) =>
  ({ describe: `also write a table as .csv: ${rows}`, type: 'string', requiresArg: true }) as const;
