import * as v from 'valibot';
import { readAny } from '#host';
import { TinytrainError } from '../errors.js';
import { parsed } from '../json.js';

/**
 * A scheme as stored in a JSON file: the number of last convolutions whose biases are trained, and the trained share of the weights of some
 * convolutions.
 */
export interface SchemeRecord {
  readonly bias?: number | undefined;
  /** Maps a convolution's number to a share such as `1` or `1/8`. */
  readonly weights?: Readonly<Record<string, string | number>> | undefined;
}

const record = v.pipe(
  v.object({
    bias: v.optional(v.number()),
    weights: v.optional(v.record(v.string(), v.union([v.string(), v.number()]))),
  }),
  v.check(({ bias, weights }) => bias !== undefined || weights !== undefined),
);
const scheme = v.union([v.string(), record]);

/** A scheme, or a record that contains one, as written by `search`. */
const file: v.GenericSchema<unknown, string | SchemeRecord | { readonly scheme: string | SchemeRecord }> = v.union([
  v.object({ scheme }),
  scheme,
]);

function textOf(found: string | SchemeRecord): string {
  if (typeof found === 'string') return found;
  const parts = Object.entries(found.weights ?? {}).map(([layer, share]) => `${layer}:${share}`);
  if (found.bias !== undefined) parts.unshift(`bias:${found.bias}`);
  return parts.join(',') || 'head';
}

/** The text of a scheme: `text` itself, or the content of the JSON file with that name. Throws `SCHEME_INVALID`, `FILE_ERROR`. */
export async function schemeText(text: string): Promise<string> {
  if (!text.endsWith('.json')) return text;
  const content = new TextDecoder().decode(await readAny(text, 'the scheme cannot be read'));
  const found = parsed(content, file, (_, cause) => {
    const form = '{"bias": 22, "weights": {"21": "1", "36": "1/8"}}';
    return new TinytrainError('SCHEME_INVALID', `${text}: a scheme file contains ${form}`, { path: text }, cause);
  });
  return textOf(typeof found === 'object' && 'scheme' in found ? found.scheme : found);
}
