import { freemem } from 'node:os';
import { mostCacheBytes } from './defaults.js';
import { TinytrainError } from './errors.js';

/** Refuses the value of an option, with what is expected of it. */
export function checkOption(name: string, value: number, ok: boolean, expected: string): void {
  if (ok) return;
  throw new TinytrainError('OPTION_INVALID', `${name} is ${value}; expected: ${expected}`, { option: name, value });
}

/** Refuses anything but a whole number of 32 bits, `least` or more. */
export function checkWhole(name: string, value: number, least: number): void {
  const ok = Number.isSafeInteger(value) && value >= least && value < 2 ** 32;
  checkOption(name, value, ok, `a whole number from ${least} on`);
}

/** Refuses a learning rate that no device takes. */
export function checkRate(lr: number): void {
  checkOption('lr', lr, lr > 0 && lr <= 1, 'a number above 0 and at most 1');
}

/** Bytes for cached activations: those asked for, or a quarter of the free memory. */
export function cacheBytesOf(asked: number | undefined): number {
  return asked ?? Math.min(mostCacheBytes, freemem() / 4);
}
