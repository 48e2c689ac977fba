/** Default peak learning rate. */
export const defaultRate = 1.6e-3;

/** Default number of residual bits per trained weight. */
export const defaultResidualBits = 4;

/** Supported numbers of residual bits per trained weight. */
export const allResidualBits: readonly number[] = [0, 2, 4, 8];

/** Default limit on the activation cache in bytes, however much memory is free. */
export const mostCacheBytes: number = 2 ** 32;
