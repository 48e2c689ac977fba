import type { Program } from '../program/program.js';

/** What training changes in a layer: nothing, its biases, also weights; the head is always trained. */
export type Learns = 'nothing' | 'biases' | 'weights' | 'head';

/** A step of the forward pass as a layer of the network. */
export interface Layer {
  /** Op and number, such as `conv 7`. */
  readonly label: string;
  readonly sizes: string;
  /** Number of its convolution; null for other ops. */
  readonly conv: number | null;
  readonly learns: Learns;
  /** Trained share of its input channels, as the scheme has it; null where no weight is trained. */
  readonly share: string | null;
  /** Numbers of trained weights and biases. */
  readonly weights: number;
  readonly biases: number;
  /** Whether it lies in the part of the network that no training changes, so that it can be computed once for each image. */
  readonly frozen: boolean;
}

const COUNTED = { weights: 'weights', headWeights: 'weights', biases: 'biases', headBiases: 'biases' } as const;

function sharesOf(scheme: string): ReadonlyMap<number, string> {
  const found = [...scheme.matchAll(/(?:^|,)(\d+):([\d/]+)/g)];
  return new Map(found.map(([, layer = '', share = '']) => [Number(layer), share]));
}

/** The layers of a Program's forward pass, each once, in order, with what training changes in them. */
export function layersOf({ record, scheme }: Pick<Program, 'record' | 'scheme'>): Layer[] {
  const { steps, states, forward, prefix, streams } = record;
  const shares = sharesOf(scheme);
  const firsts = new Set(streams.flatMap(({ parts }) => parts.map(({ step }) => step)));
  const turns = (i: number) => streams.some(({ start, end }) => i >= start && i < end) && !firsts.has(i);
  const seen = new Set<string>();
  return steps.slice(0, forward).flatMap((step, i): Layer[] => {
    if (turns(i) || step.label === 'move lines') return [];
    const conv = Number(/^conv (\d+)$/.exec(step.label)?.[1] ?? Number.NaN);
    const isConv = Number.isInteger(conv);
    // Pieces of a layer over rows are one layer.
    if (isConv && seen.has(step.label)) return [];
    seen.add(step.label);
    const isHead = step.function === 'tt_head_logits';
    if (step.label === 'head' && !isHead) return [];
    const own = states.filter(({ layer, kind }) => (isHead ? kind.startsWith('head') : isConv && layer === conv));
    const count = (what: 'weights' | 'biases') =>
      own.reduce((sum, { kind, length }) => sum + (kind !== 'residuals' && COUNTED[kind] === what ? length : 0), 0);
    const [weights, biases] = [count('weights'), count('biases')];
    const learns = isHead ? 'head' : weights > 0 ? 'weights' : biases > 0 ? 'biases' : 'nothing';
    return [
      {
        label: step.label,
        sizes: step.sizes,
        conv: isConv ? conv : null,
        learns,
        share: weights > 0 && isConv ? (shares.get(conv) ?? '1') : null,
        weights,
        biases,
        frozen: i < prefix.steps,
      },
    ];
  });
}
