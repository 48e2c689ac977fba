import type { Program } from '../program/program.js';
import type { StateKind, StateRecord, StepRecord } from '../program/record.js';

/** What training changes in a layer: nothing, its biases, also weights; the head is always trained. */
export type Learns = 'nothing' | 'biases' | 'weights' | 'head';

/** A step of the forward pass as a layer of the network. */
export interface Layer {
  /** Op and number, such as `conv 7`. */
  readonly label: string;
  readonly sizes: string;
  readonly learns: Learns;
  /** Trained share of its input channels, as the scheme has it; null where no weight is trained. */
  readonly share: string | null;
  /** Numbers of trained weights and biases. */
  readonly weights: number;
  readonly biases: number;
  /** Whether it lies in the part of the network that no training changes, so that it can be computed once for each image. */
  readonly frozen: boolean;
}

/** As what the kinds of trainable tensors are counted that are. */
const COUNTED: Readonly<Partial<Record<StateKind, 'weights' | 'biases'>>> = {
  weights: 'weights',
  headWeights: 'weights',
  biases: 'biases',
  headBiases: 'biases',
};

/** The trained share of each convolution's weights in a scheme in canonical form, which names all that have any. */
function sharesOf(scheme: string): ReadonlyMap<number, string> {
  const parts = scheme.split(',').map(part => part.split(':'));
  return new Map(parts.map(([layer = '', share = '']) => [Number(layer), share]));
}

/** The trainable tensors that a step reads. */
function statesOf({ operands }: StepRecord, states: readonly StateRecord[]): StateRecord[] {
  return operands.flatMap(operand => (operand.place === 'state' ? (states[operand.index] ?? []) : []));
}

/** The layers of a Program's forward pass, each once, in order, with what training changes in them. */
export function layersOf({ record, scheme }: Pick<Program, 'record' | 'scheme'>): Layer[] {
  const { steps, states, forward, prefix, streams } = record;
  const shares = sharesOf(scheme);
  const firsts = new Set(streams.flatMap(({ parts }) => parts.map(({ step }) => step)));
  const turns = (i: number) => streams.some(({ start, end }) => i >= start && i < end) && !firsts.has(i);
  const seen = new Set<string>();
  // The forward pass ends with the error of the head, which is no layer.
  return steps.slice(0, forward - 1).flatMap((step, i): Layer[] => {
    const own = statesOf(step, states);
    const isHead = own.some(({ kind }) => kind === 'headWeights');
    // Steps that only copy what training keeps, and those that only begin a tensor, are no layers; pieces of one over rows are one.
    if (turns(i) || step.training || !(step.finishes || isHead) || (own.length > 0 && seen.has(step.label))) return [];
    if (own.length > 0) seen.add(step.label);
    const conv = own.find(({ layer }) => layer !== null)?.layer ?? null;
    const count = (what: 'weights' | 'biases') =>
      own.reduce((sum, { kind, length }) => sum + (COUNTED[kind] === what ? length : 0), 0);
    const [weights, biases] = [count('weights'), count('biases')];
    const learns = isHead ? 'head' : weights > 0 ? 'weights' : biases > 0 ? 'biases' : 'nothing';
    return [
      {
        label: step.label,
        sizes: step.sizes,
        learns,
        share: learns === 'weights' && conv !== null ? (shares.get(conv) ?? null) : null,
        weights,
        biases,
        frozen: i < prefix.steps,
      },
    ];
  });
}
