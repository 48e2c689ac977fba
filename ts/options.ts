import { freemem } from 'node:os';
import { mostCacheBytes } from './defaults.js';
import { TinytrainError } from './errors.js';

/** Throws `OPTION_INVALID` unless the value of an option is valid; the message states what is expected. */
export function checkOption(name: string, value: number, ok: boolean, expected: string): void {
  if (ok) return;
  throw new TinytrainError('OPTION_INVALID', `${name} is ${value}; expected: ${expected}`, { option: name, value });
}

/** Throws unless the value is an integer of 32 bits, at least `least`. */
export function checkWhole(name: string, value: number, least: number): void {
  const ok = Number.isSafeInteger(value) && value >= least && value < 2 ** 32;
  checkOption(name, value, ok, `an integer of at least ${least}`);
}

/** The highest learning rate that is accepted. A head whose features are small needs rates above 1. */
export const mostRate = 64;

/** Throws unless a learning rate is accepted. */
export function checkRate(name: string, rate: number): void {
  checkOption(name, rate, rate > 0 && rate <= mostRate, `a number above 0 and at most ${mostRate}`);
}

/** Size limit of the activation cache in bytes: the requested one, or a quarter of the free memory. */
export function cacheBytesOf(asked: number | undefined): number {
  return asked ?? Math.min(mostCacheBytes, freemem() / 4);
}
