import { TinytrainError } from './errors.js';
import { thousands } from './format.js';

/** The values that an option may have: what the library takes, and how the command line writes it. */
export interface Kind<T> {
  /** What the library takes, in words. */
  readonly expected: string;
  /** Whether the library takes a value. */
  is(value: unknown): value is T;
  /** What the command line takes, in words, if it writes a value in another way. */
  readonly written?: string;
  /** The range for a line of help, if it has one. */
  readonly range?: string;
  /** The value of a text of the command line, which `is` has yet to check. Without it, there is no way to write one. */
  parse?(text: string): unknown;
  /** All values, if they are few. */
  readonly choices?: readonly (string | number)[];
  /** Whether it is given by its name alone. */
  readonly flag?: boolean;
  /** What its name alone stands for, where it may also have a value. */
  readonly alone?: T;
}

/** A number as people write one; no hexadecimal, no spaces, nothing that is empty. */
function numberOf(text: string): number {
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}

const isNumber = (value: unknown): value is number => typeof value === 'number';

/** An integer in a range. */
export function whole(from: number, to: number = Number.MAX_SAFE_INTEGER): Kind<number> {
  const open = to === Number.MAX_SAFE_INTEGER;
  return {
    expected: open ? `an integer of at least ${from}` : `an integer from ${from} to ${to}`,
    range: open ? `at least ${thousands(from)}` : `${thousands(from)} to ${thousands(to)}`,
    is: (value): value is number => isNumber(value) && Number.isSafeInteger(value) && value >= from && value <= to,
    parse: numberOf,
  };
}

/** A number in a range: above `above` or at least `from`, at most `to`. */
export function real(range: { above?: number; from?: number; below?: number; to?: number }): Kind<number> {
  const { above = Number.NEGATIVE_INFINITY, from = Number.NEGATIVE_INFINITY } = range;
  const { below = Number.POSITIVE_INFINITY, to = Number.POSITIVE_INFINITY } = range;
  const words = [
    ...(range.above === undefined ? [] : [`above ${above}`]),
    ...(range.from === undefined ? [] : [`of at least ${from}`]),
    ...(range.below === undefined ? [] : [`below ${below}`]),
    ...(range.to === undefined ? [] : [`at most ${to}`]),
  ].join(' and ');
  return {
    expected: `a number ${words}`,
    range: words.replace('of at', 'at'),
    is: (value): value is number =>
      isNumber(value) && Number.isFinite(value) && value > above && value >= from && value < below && value <= to,
    parse: numberOf,
  };
}

/** A number with a unit behind it, such as `256k`, as a whole number of ones. */
function inUnits(
  kind: Kind<number>,
  written: string,
  pattern: RegExp,
  units: Readonly<Record<string, number>>,
  round: (value: number) => number,
): Kind<number> {
  const parse = (text: string) => {
    const found = pattern.exec(text);
    return found ? round(Number(found[1]) * (units[found[2]?.toLowerCase() ?? ''] ?? Number.NaN)) : Number.NaN;
  };
  const { range: _, ...rest } = kind;
  return { ...rest, written, parse };
}

function size(from: number): Kind<number> {
  return inUnits(
    whole(from),
    'bytes, such as 262144, 256k or 1m',
    /^(\d+(?:\.\d+)?)([km]?)(?:i?b)?$/i,
    { '': 1, k: 1024, m: 1048576 },
    Math.round,
  );
}

/** Bytes; on the command line `256k` is 262,144. */
export const bytes: Kind<number> = size(1);
/** Bytes, or 0 for none. */
export const sizeOrNone: Kind<number> = size(0);

/** Instructions; on the command line `40M` is 40,000,000. */
export const instructions: Kind<number> = inUnits(
  real({ above: 0 }),
  'instructions, such as 40M or 40000000',
  /^(\d+(?:\.\d+)?)([kmg]?)$/i,
  { '': 1, k: 1e3, m: 1e6, g: 1e9 },
  Math.round,
);

/** A time in seconds; on the command line also `10m` or `1h`. */
export const time: Kind<number> = inUnits(
  real({ above: 0 }),
  'a time, such as 90s, 10m or 1h',
  /^(\d+(?:\.\d+)?)([smh]?)$/,
  { '': 1, s: 1, m: 60, h: 3600 },
  value => value,
);

/** A port of this machine; 0 for any that is free, on the command line by the option's name alone. */
export const ownPort: Kind<number> = {
  ...whole(0, 65_535),
  written: 'nothing, or a port from 1 to 65535',
  range: 'a port that is free; or 1 to 65,535',
  alone: 0,
};

/** One of a few values. */
export function choice<const T extends string | number>(
  choices: readonly T[],
): Kind<T> & { readonly choices: readonly T[] } {
  return {
    expected: `one of ${choices.join(', ')}`,
    is: (value): value is T => choices.some(each => each === value),
    parse: text => choices.find(each => String(each) === text),
    choices,
  };
}

/** Yes or no; on the command line the name alone. */
export const flag: Kind<boolean> = {
  expected: 'true or false',
  is: value => typeof value === 'boolean',
  flag: true,
};

/** A text that is not empty, such as a path. */
export const text: Kind<string> = {
  expected: 'a text that is not empty',
  is: (value): value is string => typeof value === 'string' && value !== '' && !value.includes('\0'),
  parse: given => given,
};

/** A text of a certain form. */
export function textLike(pattern: RegExp, expected: string): Kind<string> {
  return { ...text, expected, is: (value): value is string => text.is(value) && pattern.test(value) };
}

/** The URL of a Redis server; what it may hold that is secret does not appear in `expected`. */
export const redisUrl: Kind<string> = {
  ...text,
  expected: 'a URL such as redis://host:6379, rediss://USER:PASSWORD@host:6379 with TLS',
  is: (value): value is string =>
    text.is(value) && /^rediss?:\/\/[^/]/.test(value) && URL.canParse(value) && new URL(value).hostname !== '',
};

/** A kind's values, or `word`. */
export function orWord<T, const W extends string>(kind: Kind<T>, word: W): Kind<T | W> {
  const { parse } = kind;
  return {
    expected: `${word}, or ${kind.expected}`,
    ...(kind.range !== undefined && { range: `${word}, or ${kind.range}` }),
    is: (value): value is T | W => value === word || kind.is(value),
    ...(parse && { parse: given => (given === word ? word : parse(given)) }),
    ...(kind.choices && { choices: [...kind.choices, word] }),
  };
}

/** At least one value of a kind; on the command line with commas between them. */
export function list<T>(kind: Kind<T>, example: string): Kind<readonly T[]> {
  const { parse } = kind;
  return {
    expected: `a list of ${kind.expected}, at least one`,
    written: `${kind.written ?? kind.expected}, or several: ${example}`,
    is: (value): value is readonly T[] => Array.isArray(value) && value.length > 0 && value.every(kind.is),
    ...(parse && { parse: given => given.split(',').map(each => parse(each)) }),
  };
}

/** Fields of an object, each of its kind; those that are not given stay open. */
export type Fields<T> = { readonly [K in keyof T]-?: Kind<Exclude<T[K], undefined>> };

/** An object with certain fields and no others; `required` of them have to be given. */
export function object<T extends object>(
  expected: string,
  fields: Fields<T>,
  required: readonly (keyof T)[] = [],
): Kind<T> {
  const known = new Map<string, Kind<unknown>>(Object.entries(fields));
  return {
    expected,
    is: (value): value is T =>
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      required.every(name => Reflect.get(value, name) !== undefined) &&
      Object.entries(value).every(
        ([name, each]) => known.has(name) && (each === undefined || known.get(name)?.is(each)),
      ),
  };
}

/** Anything that has been checked elsewhere, such as an object of a class. */
export function instance<T>(expected: string, is: (value: object) => boolean): Kind<T> {
  return { expected, is: (value): value is T => typeof value === 'object' && value !== null && is(value) };
}

/** A function, such as a listener. */
export function listener<T>(): Kind<T> {
  return { expected: 'a function', is: (value): value is T => typeof value === 'function' };
}

/** What stops work. */
export const signal: Kind<AbortSignal> = instance(
  'an AbortSignal',
  value => 'aborted' in value && typeof Reflect.get(value, 'addEventListener') === 'function',
);

/** A value as a message shows it. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null) {
    const found = Array.isArray(value) ? 'a list' : 'an object';
    try {
      const json = JSON.stringify(value);
      return json.length <= 60 ? json : found;
    } catch {
      return found;
    }
  }
  return typeof value === 'function' ? 'a function' : String(value);
}

/** Throws `OPTION_INVALID` unless a value is of a kind; the message says what is expected. */
export function check<T>(name: string, kind: Kind<T>, value: unknown): asserts value is T {
  if (kind.is(value)) return;
  throw new TinytrainError('OPTION_INVALID', `${name} is ${shown(value)}; expected: ${kind.expected}`, {
    option: name,
    value,
    expected: kind.expected,
  });
}

/** The names of an object's fields. */
export function keys<T extends object>(fields: Fields<T>): readonly (keyof T)[] {
  return Object.keys(fields) as (keyof T)[];
}

/** A value of one of two kinds. */
export function either<A, B>(expected: string, one: Kind<A>, other: Kind<B>): Kind<A | B> {
  return { expected, is: (value): value is A | B => one.is(value) || other.is(value) };
}
