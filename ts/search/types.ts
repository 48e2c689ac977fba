import type { Files } from '../folder.js';
import type { Origin, ProgramOrigin } from '../origin.js';
import type { CostTable, PerPass, Time } from '../program/costs.js';
import type { Feed, MemoryTable } from '../program/memory.js';
import type { Workers } from '../queue/crew.js';
import type { WorkerShares } from './crew.js';
import type { Maker } from './trial.js';

/** The phases of a search, in order. */
export type SearchPhase = 'analysis' | 'evolution' | 'proof' | 'test';

/** The measure of a gain: mean loss on held-back samples, which is less noisy, or the share of them that is classified correctly, as in the paper. */
export type Criterion = 'loss' | 'accuracy';

/** Options of a search. */
export interface SearchOptions {
  /** Budgets: total bytes of SRAM that a scheme may need; one or several. */
  readonly budgets: readonly number[];
  /** Bytes of flash that a scheme may need; those of the board by default. */
  readonly flash?: number | undefined;
  /** Limit on the predicted instructions of a training step; none by default. */
  readonly maxInstructions?: number | undefined;
  /** Limit on the likely milliseconds of a training step, as modelled for the board's clock; none by default. */
  readonly maxMilliseconds?: number | undefined;
  /** The cost table for the prediction, such as written by `run --calibrate`; the built-in one by default. */
  readonly costs?: CostTable | undefined;
  /** The board; `stm32f746` by default. */
  readonly target?: string | undefined;
  /** How samples come in on the device: `whole` (the default), or row by row, which takes less memory. */
  readonly feed?: Feed | undefined;
  /** Residual bits of a trained weight: 0, 2, 4 (the default), 8, or `any` to choose among them. */
  readonly residualBits?: number | 'any' | undefined;
  /** The measure of contributions; `loss` by default. */
  readonly criterion?: Criterion | undefined;
  /** Seed of everything; 0 by default. */
  readonly seed?: number | undefined;
  /** Number of seeds in proof and test, that is, runs per scheme; 3 by default. */
  readonly seeds?: number | undefined;
  /** Training steps per run of the analysis. By default half the number of training samples, fewer for a large model. */
  readonly trialSteps?: number | undefined;
  /** Training steps per run of the proof. By default twice the number of training samples, fewer for a large model. */
  readonly proofSteps?: number | undefined;
  /** Share of the training samples that is held back, unless the data has a validation split; a fifth by default. */
  readonly heldBack?: number | undefined;
  /** The peak learning rate of every training run; `auto`, the default, is the rule for the size of the features (docs/training.md). */
  readonly lr?: number | 'auto' | undefined;
  /** Number of training runs at a time; one per core by default. Does not affect results. */
  readonly threads?: number | undefined;
  /** Size limit of the activation cache in bytes; a quarter of the free memory by default. Does not affect results. */
  readonly cacheBytes?: number | undefined;
  /**
   * URL of a Redis server, such as `redis://host:6379`: the training runs are made by workers (`workFor`) on any machines, none by this process. Needs the
   * packages `bullmq` and `ioredis`. Does not affect results.
   */
  readonly workers?: string | undefined;
  /** Time limit in seconds; the result lists anything skipped. */
  readonly seconds?: number | undefined;
  /** A folder for the search: a journal, and at the end `scheme.json`, `search.json` and `program.ttp`. */
  readonly out?: string | undefined;
  /** @internal Files to be written with its journal: the model that the search is about, where it was made for it. */
  readonly files?: Files | undefined;
  /** Continues the search in that folder. */
  readonly resume?: boolean | undefined;
  /** Stops the search within a training step; it then rejects with the code `ABORTED`, and the folder contains the finished runs. */
  readonly signal?: AbortSignal | undefined;
}

/** The identity of a training run: two runs with the same key have the same result. */
export interface TrialKey {
  readonly scheme: string;
  readonly residualBits: number;
  readonly seed: number;
  /** Training steps. */
  readonly steps: number;
  /** The samples on which it is measured: those held back from training, or the test split after training on everything else. */
  readonly on: 'validation' | 'test';
}

/** The result of a training run. */
export interface TrialRecord extends TrialKey {
  /** Share of samples that are classified correctly. */
  readonly accuracy: number;
  /** Mean loss, natural logarithm. */
  readonly loss: number;
  /** SHA-256 over all trainable state. */
  readonly checksum: string;
}

/** A mean over seeds. */
export interface Estimate {
  readonly mean: number;
  /** Null for a single seed. */
  readonly standardError: number | null;
  readonly seeds: number;
}

/** The gain from updating something, over seeds; each run is compared with the run of the same seed without it. */
export interface Gain {
  /** Decrease of the mean loss. */
  readonly loss: Estimate;
  /** Increase of the share of samples that are classified correctly. */
  readonly accuracy: Estimate;
}

/** What a scheme of the analysis takes, as predicted. */
export interface Price {
  /** Total bytes of SRAM. */
  readonly sram: number;
  /** Instructions of a training step. */
  readonly instructions: number;
  /** Likely milliseconds of a training step, as modelled; null if no cycles are known of the board's core. */
  readonly milliseconds: number | null;
}

/** The gain over the head alone of updating the biases of the last `bias` convolutions. */
export interface BiasContribution extends Gain, Price {
  readonly bias: number;
}

/** The gain over biases alone of also updating a share of a convolution's weights. */
export interface LayerContribution extends Gain, Price {
  readonly layer: number;
  readonly share: string;
  /** Number of last convolutions whose biases are trained with and without it: those from it on, rounded up, at most `base`. */
  readonly biases: number;
}

/** The gain of another number of residual bits over 4, for one scheme. */
export interface BitsContribution extends Gain {
  readonly residualBits: number;
}

/** The contributions of biases, convolutions and residual bits. */
export interface Contributions {
  readonly criterion: Criterion;
  /** The head alone, with which biases are compared. */
  readonly head: { readonly accuracy: Estimate; readonly loss: Estimate };
  readonly biases: readonly BiasContribution[];
  /** The best number of biases. */
  readonly base: number;
  readonly layers: readonly LayerContribution[];
  readonly bits: readonly BitsContribution[];
}

/** A finalist: a scheme that takes part in the proof. */
export interface Finalist {
  /** Its name in the report, such as `found 1`, `head only`, `random 2`. */
  readonly name: string;
  readonly kind: 'found' | 'baseline' | 'random';
  readonly scheme: string;
  readonly residualBits: number;
  /** Total bytes of SRAM. */
  readonly sram: number;
  /** Instructions of a training step, as predicted. */
  readonly instructions: number;
  /** Likely milliseconds of a training step, as modelled; null if no cycles are known of the board's core. */
  readonly milliseconds: number | null;
  /** Sum of contributions. */
  readonly sum: number;
}

/** A finalist and its measurements. */
export interface Proved extends Finalist {
  readonly accuracy: { readonly validation: Estimate; readonly test: Estimate | null };
  readonly loss: { readonly validation: Estimate; readonly test: Estimate | null };
}

/** A comparison with another scheme: the difference in test accuracy over the same seeds. */
export interface Comparison {
  /** The name of the other scheme. */
  readonly name: string;
  readonly kind: Finalist['kind'];
  readonly difference: Estimate;
}

/** The result for a budget. */
export interface FrontPoint extends Proved {
  readonly budget: number;
  /** Comparisons with the other finalists that fit the budget and were tested. */
  readonly comparisons: readonly Comparison[];
}

/** The result of a search. It is the same for the same seed, with any number of threads, interrupted or not. */
export interface SearchResult {
  readonly tinytrain: string;
  /** The model and samples of the search. */
  readonly origin: Origin;
  readonly model: { readonly name: string; readonly hash: string; readonly input: readonly number[] };
  readonly data: {
    readonly hash: string;
    readonly classes: readonly string[];
    readonly train: number;
    readonly validation: number;
    readonly test: number;
  };
  readonly plan: SearchPlan;
  /** The Program of the scheme found for the largest budget, calibrated on all training samples; it is stored in the folder of the search. */
  readonly program: ProgramOrigin;
  /** The scheme found for the largest budget. */
  readonly scheme: string;
  readonly residualBits: number;
  readonly budget: number;
  readonly memory: MemoryTable;
  /** Instructions, as predicted. */
  readonly instructions: PerPass<number>;
  /** Milliseconds, as modelled; null if no cycles are known of the board's core. */
  readonly time: PerPass<Time> | null;
  readonly accuracy: Proved['accuracy'];
  /** The other finalists that fit the largest budget. */
  readonly baselines: readonly Proved[];
  readonly contributions: Contributions;
  /** The results for each budget. */
  readonly front: readonly FrontPoint[];
  /** Rank correlation between the sum of contributions and the accuracy on held-back samples, over all finalists. */
  readonly prediction: { readonly spearman: number | null; readonly schemes: number };
  /** Number of candidates whose Program was planned. */
  readonly evaluations: number;
  /** Every training run. */
  readonly trials: readonly TrialRecord[];
  /** Anything skipped because of the time limit; empty otherwise. */
  readonly leftOut: readonly string[];
}

/** Everything that determines a search besides model and data: two searches with the same plan have the same result. */
export interface SearchPlan {
  readonly budgets: readonly number[];
  readonly flash: number | null;
  readonly maxInstructions: number | null;
  readonly maxMilliseconds: number | null;
  readonly costs: CostTable | null;
  readonly target: string;
  readonly feed: Feed;
  readonly residualBits: number | 'any';
  readonly criterion: Criterion;
  readonly seed: number;
  readonly seeds: number;
  readonly trialSteps: number;
  readonly proofSteps: number;
  readonly heldBack: number;
  readonly lr: number | 'auto';
}

/** Events of a search. */
export type SearchEvent =
  | { readonly type: 'begin'; readonly plan: SearchPlan; readonly threads: number; readonly validation: number }
  /** With `workers`: those that are there, at the beginning and whenever that changes. */
  | { readonly type: 'workers'; readonly place: string; readonly workers: Workers }
  | {
      readonly type: 'progress';
      readonly phase: SearchPhase;
      readonly what: string;
      readonly done: number;
      readonly total: number;
      /** Estimated seconds to the end of the search; null if nothing is known yet. */
      readonly left: number | null;
    }
  /** A training run whose result is known, and the worker that has made it; null for this process, and for what was known before. */
  | { readonly type: 'trial'; readonly trial: TrialRecord; readonly by: Maker | null }
  /** Contributions as far as they are known, after a round of training runs of the analysis. */
  | { readonly type: 'round'; readonly contributions: Contributions }
  | { readonly type: 'analysis'; readonly contributions: Contributions }
  | {
      readonly type: 'generation';
      readonly budget: number;
      readonly generation: number;
      /** Number of candidates planned so far. */
      readonly evaluations: number;
      readonly best: {
        readonly scheme: string;
        readonly residualBits: number;
        readonly sram: number;
        readonly sum: number;
      };
    }
  /** The schemes that take part in the proof. */
  | { readonly type: 'finalists'; readonly finalists: readonly Finalist[] }
  | { readonly type: 'proof'; readonly finalist: Finalist; readonly validation: Estimate }
  /** The end; with `workers`, who has made the runs. */
  | { readonly type: 'done'; readonly result: SearchResult; readonly workers: WorkerShares | null };
