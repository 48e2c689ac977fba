import { promises as fs } from 'node:fs';
import { fileError, messageOf, TinytrainError } from '../errors.js';

/** A scheme as a JSON file holds it: biases of the last so many convolutions, and of some convolutions a share of the weights. */
export interface SchemeRecord {
  readonly bias?: number;
  /** From a convolution's number to a share such as `1` or `1/8`. */
  readonly weights?: Readonly<Record<string, string | number>>;
}

function fromRecord(record: unknown, path: string): string {
  if (typeof record === 'string') return record;
  if (typeof record === 'object' && record !== null) {
    const { scheme, bias, weights } = record as SchemeRecord & { scheme?: unknown };
    if (scheme !== undefined) return fromRecord(scheme, path);
    if (bias !== undefined || weights !== undefined) {
      const parts = Object.entries(weights ?? {}).map(([layer, share]) => `${layer}:${share}`);
      if (bias !== undefined) parts.unshift(`bias:${bias}`);
      return parts.join(',') || 'head';
    }
  }
  throw new TinytrainError(
    'SCHEME_INVALID',
    `${path}: a scheme file holds {"bias": 22, "weights": {"21": "1", "36": "1/8"}}`,
    { path },
  );
}

/** The text of a scheme: `text` itself, or what the JSON file of that name holds. */
export async function schemeText(text: string): Promise<string> {
  if (!text.endsWith('.json')) return text;
  let content: string;
  try {
    content = await fs.readFile(text, 'utf8');
  } catch (error) {
    throw fileError(error, text, 'the scheme cannot be read');
  }
  try {
    return fromRecord(JSON.parse(content), text);
  } catch (error) {
    if (error instanceof TinytrainError) throw error;
    throw new TinytrainError('SCHEME_INVALID', `${text}: not a JSON file: ${messageOf(error)}`, { path: text }, error);
  }
}
