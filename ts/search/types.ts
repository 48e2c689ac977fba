import type { CostTable } from '../program/costs.js';
import type { MemoryTable } from '../program/memory.js';

/** What a search is about to find out, in this order. */
export type SearchPhase = 'analysis' | 'evolution' | 'proof' | 'test';

/** What a gain is counted in: mean loss on held-back samples, which is less noisy, or the share of them that is classified right, as in the paper. */
export type Criterion = 'loss' | 'accuracy';

/** How a search goes. */
export interface SearchOptions {
  /** Bytes of SRAM, all in, that a scheme may need: one or several. */
  readonly budgets: readonly number[];
  /** Bytes of flash it may need; those of the board by default. */
  readonly flash?: number | undefined;
  /** Instructions that a training step may take, as predicted from a table of costs; any number by default. */
  readonly maxInstructions?: number | undefined;
  /** The table, such as `run --calibrate` writes; by default the one that comes with this version. */
  readonly costs?: CostTable | undefined;
  /** The board; `stm32f746` by default. */
  readonly target?: string | undefined;
  /** Residual bits of a trained weight: 0, 2, 4 (the default), 8, or `any` to choose among them. */
  readonly residualBits?: number | 'any' | undefined;
  /** What contributions are summed in; `loss` by default. */
  readonly criterion?: Criterion | undefined;
  /** Seed of everything; 0 by default. */
  readonly seed?: number | undefined;
  /** Seeds of the proof and of the test: runs of every scheme; 3 by default. */
  readonly seeds?: number | undefined;
  /** Training steps of a run of the analysis. By default as many as there are samples to learn from, fewer for a large model. */
  readonly visits?: number | undefined;
  /** Training steps of a run of the proof. By default twice the samples to learn from, fewer for a large model. */
  readonly proofVisits?: number | undefined;
  /** Share of the training samples that is held back, where the data has no validation split; a fifth by default. */
  readonly heldBack?: number | undefined;
  /** The highest learning rate; 0.0016 by default. */
  readonly lr?: number | undefined;
  /** Trainings at a time; all cores by default. No result hangs on it. */
  readonly threads?: number | undefined;
  /** Bytes for what frozen layers make of the samples; a quarter of the free memory by default. No result hangs on it. */
  readonly cacheBytes?: number | undefined;
  /** Spends at most so many seconds, and says what was left out. */
  readonly seconds?: number | undefined;
  /** A folder that keeps the search: a journal, and at the end `scheme.json` and `search.json`. */
  readonly out?: string | undefined;
  /** Goes on with the search in that folder. */
  readonly resume?: boolean | undefined;
  /** Stops the search within a training step; it then rejects with the code `ABORTED`, and the folder holds the runs done. */
  readonly signal?: AbortSignal | undefined;
}

/** Which training run: two runs with the same key find the same. */
export interface TrialKey {
  readonly scheme: string;
  readonly residualBits: number;
  readonly seed: number;
  /** Training steps. */
  readonly visits: number;
  /** What it is measured on: samples held back from training, or the test split after training on everything else. */
  readonly on: 'validation' | 'test';
}

/** What a training run found. */
export interface TrialRecord extends TrialKey {
  /** Share of samples that are classified right. */
  readonly accuracy: number;
  /** Mean loss, natural logarithm. */
  readonly loss: number;
  /** SHA-256 over every trainable byte. */
  readonly checksum: string;
}

/** A mean over seeds. */
export interface Estimate {
  readonly mean: number;
  /** Null for a single seed. */
  readonly standardError: number | null;
  readonly seeds: number;
}

/** What updating something adds, over seeds, each compared with the run of the same seed without it. */
export interface Gain {
  /** Mean loss less. */
  readonly loss: Estimate;
  /** Share of samples classified right, more. */
  readonly accuracy: Estimate;
}

/** The gain over the head alone of updating the biases of the last `bias` convolutions. */
export interface BiasContribution extends Gain {
  readonly bias: number;
  readonly sram: number;
}

/** The gain over biases of also updating a share of a convolution's weights. */
export interface LayerContribution extends Gain {
  readonly layer: number;
  readonly share: string;
  /** SRAM of the biases with it. */
  readonly sram: number;
}

/** The gain of other residual bits over 4, for one scheme. */
export interface BitsContribution extends Gain {
  readonly residualBits: number;
}

/** What updating what is worth. */
export interface Contributions {
  readonly criterion: Criterion;
  /** The head alone: what biases are compared with. */
  readonly head: { readonly accuracy: Estimate; readonly loss: Estimate };
  readonly biases: readonly BiasContribution[];
  /** The number of biases that layers are compared with. */
  readonly base: number;
  readonly layers: readonly LayerContribution[];
  readonly bits: readonly BitsContribution[];
}

/** A scheme that was trained in earnest. */
export interface Contestant {
  /** Such as `found 1`, `head only`, `random 2`. */
  readonly name: string;
  readonly kind: 'found' | 'baseline' | 'random';
  readonly scheme: string;
  readonly residualBits: number;
  /** Bytes of SRAM, all in. */
  readonly sram: number;
  /** Instructions of a training step, as predicted. */
  readonly instructions: number;
  /** Sum of contributions. */
  readonly sum: number;
}

/** A scheme that was trained in earnest, and what came of it. */
export interface Proved extends Contestant {
  readonly accuracy: { readonly validation: Estimate; readonly test: Estimate | null };
  readonly loss: { readonly validation: Estimate; readonly test: Estimate | null };
}

/** A scheme beside another: its test accuracy less the other's, over the same seeds. */
export interface Comparison {
  /** The other's name. */
  readonly name: string;
  readonly kind: Contestant['kind'];
  readonly difference: Estimate;
}

/** What was found for a budget. */
export interface FrontPoint extends Proved {
  readonly budget: number;
  /** With all others that were trained in earnest and fit the budget. */
  readonly comparisons: readonly Comparison[];
}

/** What a search found. The same for the same seed, however many threads, interrupted or not. */
export interface SearchResult {
  readonly tinytrain: string;
  readonly model: { readonly name: string; readonly hash: string; readonly input: readonly number[] };
  readonly data: {
    readonly hash: string;
    readonly classes: readonly string[];
    readonly train: number;
    readonly validation: number;
    readonly test: number;
  };
  readonly plan: SearchPlan;
  /** What was found for the largest budget. */
  readonly scheme: string;
  readonly residualBits: number;
  readonly budget: number;
  readonly memory: MemoryTable;
  /** Instructions of a training step, as predicted. */
  readonly instructions: number;
  readonly accuracy: Proved['accuracy'];
  /** The others that were trained in earnest and fit the largest budget. */
  readonly baselines: readonly Proved[];
  readonly contributions: Contributions;
  /** What was found for each budget. */
  readonly front: readonly FrontPoint[];
  /** Rank correlation of the sum of contributions with the accuracy on held-back samples, over all that was trained in earnest. */
  readonly prediction: { readonly spearman: number | null; readonly schemes: number };
  /** Candidates whose Program was planned. */
  readonly evaluations: number;
  /** Every training run. */
  readonly trials: readonly TrialRecord[];
  /** What `seconds` left no time for; empty otherwise. */
  readonly leftOut: readonly string[];
}

/** What a search hangs on: two searches of the same model and data with the same plan find the same. */
export interface SearchPlan {
  readonly budgets: readonly number[];
  readonly flash: number | null;
  readonly maxInstructions: number | null;
  readonly costs: CostTable | null;
  readonly target: string;
  readonly residualBits: number | 'any';
  readonly criterion: Criterion;
  readonly seed: number;
  readonly seeds: number;
  readonly visits: number;
  readonly proofVisits: number;
  readonly heldBack: number;
  readonly lr: number;
}

/** What a search tells while it goes on. */
export type SearchEvent =
  | { readonly type: 'begin'; readonly plan: SearchPlan; readonly threads: number; readonly validation: number }
  | {
      readonly type: 'progress';
      readonly phase: SearchPhase;
      readonly what: string;
      readonly done: number;
      readonly total: number;
      /** Seconds to the end of the whole search, roughly; null where nothing is known yet. */
      readonly left: number | null;
    }
  | { readonly type: 'analysis'; readonly contributions: Contributions }
  | {
      readonly type: 'generation';
      readonly budget: number;
      readonly generation: number;
      /** Candidates planned so far. */
      readonly evaluations: number;
      readonly best: {
        readonly scheme: string;
        readonly residualBits: number;
        readonly sram: number;
        readonly sum: number;
      };
    }
  | { readonly type: 'proof'; readonly contestant: Contestant; readonly validation: Estimate }
  | { readonly type: 'done'; readonly result: SearchResult };
