/** The highest learning rate of a run where none is given. */
export const defaultRate = 1.6e-3;

/** Residual bits of a trained weight where none are given. */
export const defaultResidualBits = 4;

/** Residual bits that a trained weight may have. */
export const allResidualBits: readonly number[] = [0, 2, 4, 8];

/** Most bytes of activations that are cached where no limit is given, however much memory is free. */
export const mostCacheBytes: number = 2 ** 32;
