import * as v from 'valibot';
import { messageOf, type TinytrainError } from './errors.js';

/** Creates the error for an invalid text; `why` says what is wrong with it. */
export type ErrorOf = (why: string, cause?: unknown) => TinytrainError;

/** Non-negative integers that are exact in JavaScript. */
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** SHA-256 in hexadecimal. */
export const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

function whereOf(issue: v.BaseIssue<unknown>): string {
  const place = v.getDotPath(issue);
  return place === null ? 'its content' : place;
}

/** A value from outside, checked against its schema. */
export function checked<T>(value: unknown, schema: v.GenericSchema<unknown, T>, errorOf: ErrorOf): T {
  const found = v.safeParse(schema, value, { abortEarly: true });
  if (found.success) return found.output;
  const [issue] = found.issues;
  throw errorOf(`${whereOf(issue)} is ${issue.received === 'undefined' ? 'missing' : 'invalid'}`, issue);
}

/** Parses a JSON text. Every text that was read from disk passes through here or through `parsed`. */
export function jsonOf(text: string, errorOf: ErrorOf): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw errorOf(`not JSON: ${messageOf(error)}`, error);
  }
}

/** Parses a JSON text and checks it against its schema. */
export function parsed<T>(text: string, schema: v.GenericSchema<unknown, T>, errorOf: ErrorOf): T {
  return checked(jsonOf(text, errorOf), schema, errorOf);
}
