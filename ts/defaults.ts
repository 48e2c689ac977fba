/** Default peak learning rate. */
export const defaultRate = 1.6e-3;

/** Default number of residual bits per trained weight. */
export const defaultResidualBits = 4;

/** Supported numbers of residual bits per trained weight. */
export const allResidualBits: readonly number[] = [0, 2, 4, 8];

/** Default limit on the activation cache in bytes, however much memory is free. */
export const mostCacheBytes: number = 2 ** 32;

/** How samples come in: as a whole, or row by row. */
export const feeds = ['whole', 'rows'] as const;

/** With what a head starts: `fresh` at random, `keep` with the model's own classes, `auto` with those of them that are known to be the user's. */
export const headStarts = ['auto', 'keep', 'fresh'] as const;

/** What the package has a model and drawn samples for; the first is the default. */
export const tasks = ['images', 'gestures'] as const;

export type Task = (typeof tasks)[number];

/** How images of another size are fitted to the input: stretching, cropping the excess, or adding bars. */
export const resizePolicies = ['stretch', 'cover', 'contain'] as const;
