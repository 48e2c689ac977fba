/** A scheme that its authors published for a model, named by the size they state. */
export interface Published {
  readonly name: string;
  readonly scheme: string;
}

/** Schemes of Lin et al., "On-Device Training Under 256KB Memory" (NeurIPS 2022), for MCUNet-5FPS. */
const mcunet: readonly Published[] = [
  { name: 'published 49 KB', scheme: 'bias:20,24:1/4,27:1/2,30:1/2' },
  { name: 'published 74 KB', scheme: 'bias:21,21:1,24:1,27:1/2,30:1' },
  { name: 'published 99 KB', scheme: 'bias:22,21:1,24:1,27:1,30:1,36:1/8,39:1/4' },
  { name: 'published 124 KB', scheme: 'bias:24,21:1/4,24:1,27:1,30:1,33:1/2,39:1/2' },
  { name: 'published 148 KB', scheme: 'bias:23,21:1,24:1,27:1,30:1,36:1,39:1/2' },
];

/** Published schemes by the SHA-256 of the model's file: for `mcunet-5fps.pkl` as distributed by its authors. */
const byModel: Readonly<Record<string, readonly Published[]>> = {
  '4de2e06ed39041fc3609de806461a9e1d1f82f186927474bd9e9b0de756a0f00': mcunet,
};

/** The published schemes of the model with this SHA-256; none for any other. */
export function publishedSchemes(modelHash: string): readonly Published[] {
  return Object.hasOwn(byModel, modelHash) ? (byModel[modelHash] ?? []) : [];
}
