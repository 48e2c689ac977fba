import type { Placed, ProgramRecord, Purpose } from '../program/record.js';

/** What a buffer of the arena is for. `saved`: an activation of the forward pass that the backward pass still needs. */
export type BufferKind = Purpose | 'saved';

/** A buffer of the arena, for people. */
export interface NamedBuffer extends Placed {
  readonly kind: BufferKind;
  /** What it is, and of which step: `mask of conv 7`. */
  readonly name: string;
}

function kindOf({ purpose, windows }: Placed, forward: number): BufferKind {
  return purpose === 'activation' && (windows.at(-1)?.end ?? 0) > forward ? 'saved' : purpose;
}

const words: Readonly<Record<BufferKind, string>> = {
  input: 'input',
  activation: 'output of',
  saved: 'output, saved, of',
  mask: 'mask of',
  gradient: 'gradient from',
  scratch: 'scratch of',
  other: '',
};

/**
 * The buffers of a Program with what they are for. They are named after the step that first writes them, whose number is that of the convolution; the numbers in
 * their own labels count all nodes of the graph.
 */
export function namedBuffers({ buffers, steps, forward }: ProgramRecord): NamedBuffer[] {
  return buffers.map(buffer => {
    const kind = kindOf(buffer, forward);
    const from = steps[buffer.windows[0]?.start ?? 0]?.label ?? '';
    const name = kind === 'input' || kind === 'other' ? buffer.label : `${words[kind]} ${from}`;
    return { ...buffer, kind, name };
  });
}
