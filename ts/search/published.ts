import type { ModelDescription } from '../model/model.js';

/** A scheme that its authors published for a model, by the size they give it. */
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

/** The published schemes of a model, known by the sums over its convolutions; none for any other. */
export function publishedSchemes({ backbone }: ModelDescription): readonly Published[] {
  return backbone?.convolutions === 42 && backbone.weights === 463_216 ? mcunet : [];
}
