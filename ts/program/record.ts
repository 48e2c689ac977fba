/** A range of bytes in RAM. */
export interface Slot {
  readonly region: 'arena' | 'state';
  readonly offset: number;
  readonly bytes: number;
}

/** An argument of a step: a slot and what is done to it, a constant by index, or nothing. */
export type Argument =
  | { readonly read: Slot }
  | { readonly write: Slot }
  | { readonly update: Slot }
  | { readonly scratch: Slot }
  | { readonly const: number }
  | 'none';

/** A kernel and its parameters; `name` says which. */
export interface KernelRecord {
  readonly name: string;
  readonly [parameter: string]: unknown;
}

/** A step of a Program. */
export interface StepRecord {
  readonly label: string;
  readonly kernel: KernelRecord;
  readonly args: readonly Argument[];
}

/** A constant in flash. */
export interface ConstantRecord {
  readonly name: string;
  readonly type: 'int8' | 'uint8' | 'uint16' | 'int32' | 'uint32';
  readonly length: number;
  readonly bytes: number;
}

/** A trainable tensor. */
export interface StateRecord {
  readonly name: string;
  readonly kind: 'weights' | 'residuals' | 'biases' | 'headWeights' | 'headBiases';
  /** Number of its convolution; null for the head. */
  readonly layer: number | null;
  readonly offset: number;
  readonly bytes: number;
  readonly init: 'zero' | 'bytes';
}

/** A planned buffer of the arena: it lives from step `start` up to, not including, step `end`. */
export interface BufferRecord {
  readonly label: string;
  readonly start: number;
  readonly end: number;
  readonly size: number;
  readonly offset: number;
}

/** A Program as a plain record: all but the content of constants and of the initial state. */
export interface ProgramRecord {
  readonly format: number;
  readonly name: string;
  readonly hash: string;
  readonly input: {
    readonly offset: number;
    readonly bytes: number;
    readonly shape: readonly [number, number, number];
    readonly scale: number;
    readonly zero: number;
  };
  readonly classes: number;
  /** The first so many steps are the forward pass. */
  readonly forward: number;
  readonly arenaBytes: number;
  readonly stateBytes: number;
  readonly residualBits: number;
  readonly seed: string;
  readonly logits: Slot | null;
  readonly steps: readonly StepRecord[];
  readonly consts: readonly ConstantRecord[];
  readonly states: readonly StateRecord[];
  readonly buffers: readonly BufferRecord[];
  readonly plan: { readonly total: number; readonly lowerBound: number; readonly heuristic: string };
  /** First steps that no training changes, and what the rest needs of them. */
  readonly prefix: { readonly steps: number; readonly live: readonly Slot[] };
}
