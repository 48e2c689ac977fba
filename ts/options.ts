import { freemem } from 'node:os';
import { mostCacheBytes } from './defaults.js';
import { TinytrainError } from './errors.js';

/** Throws `OPTION_INVALID` unless the value of an option is valid; the message states what is expected. */
export function checkOption(name: string, value: number, ok: boolean, expected: string): void {
  if (ok) return;
  throw new TinytrainError('OPTION_INVALID', `${name} is ${value}; expected: ${expected}`, { option: name, value });
}

/** Throws unless the value is an integer in a range; without an end, of 32 bits. */
export function checkWhole(name: string, value: number, least: number, most: number = 2 ** 32 - 1): void {
  const ok = Number.isSafeInteger(value) && value >= least && value <= most;
  checkOption(name, value, ok, `an integer from ${least} to ${most}`);
}

/** The most threads that are started. */
export const mostThreads = 1024;

/** Throws unless so many threads may be started. */
export function checkThreads(threads: number): void {
  checkWhole('threads', threads, 1, mostThreads);
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
