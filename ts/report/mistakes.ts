import sharp from 'sharp';
import type { SampleSet } from '../data/dataset.js';
import { pixelsOf } from '../data/input.js';
import { messageOf } from '../errors.js';
import type { ModelInput } from '../model/input.js';
import { Predictor } from '../train/predict.js';
import type { RunFolder } from '../train/run.js';
import { namesWithin } from '../train/tested.js';

/** A test sample that a run takes for something else. */
export interface Mistake {
  /** Its name within its folder. */
  readonly name: string;
  /** The class that it has, and the one that it was taken for. */
  readonly class: string;
  readonly taken: string;
  /** Probability of the class that it was taken for. */
  readonly score: number;
  /** The sample as the model sees it, a PNG as a `data:` address; null for series. */
  readonly image: string | null;
}

/** The mistakes of a run that it is surest of; or why they cannot be had. */
export type Mistakes =
  | { readonly worst: readonly Mistake[]; readonly of: number }
  | { readonly worst: null; readonly why: string };

/** The most mistakes that are shown. */
const MOST = 12;

/** A sample as the model sees it, as a PNG. Null for one that is not a picture of one or three channels. */
async function imageOf(sample: Int8Array, input: ModelInput): Promise<string | null> {
  const { height, width, channels } = input;
  if (input.series || (channels !== 1 && channels !== 3)) return null;
  const png = await sharp(pixelsOf(sample, input.tables), { raw: { width, height, channels } })
    .png({ compressionLevel: 9 })
    .toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}

async function worstOf(run: RunFolder, data: SampleSet, signal: AbortSignal | undefined): Promise<Mistakes> {
  const predictor = await Predictor.open(run);
  const names = namesWithin(data.test, data);
  const found = await predictor.predictAll(data.test, { signal });
  const wrong = found
    .map((prediction, place) => ({ ...prediction, place, own: data.test.labels[place] ?? 0 }))
    .filter(({ label, own }) => label !== own)
    .sort((a, b) => b.score - a.score || a.place - b.place);
  const worst: Mistake[] = [];
  for (const { place, own, class: taken, score } of wrong.slice(0, MOST)) {
    const image = await imageOf(data.test.sample(place), predictor.input);
    worst.push({ name: names[place] ?? '', class: data.classes[own] ?? '', taken, score, image });
  }
  return { worst, of: wrong.length };
}

/** The mistakes of a run that it is surest of: its test samples are read again and predicted with its own state. */
export async function worstMistakes(run: RunFolder, signal?: AbortSignal): Promise<Mistakes> {
  let data: SampleSet;
  try {
    data = await run.samples({ signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    return { worst: null, why: messageOf(error) };
  }
  const { origin } = await run.record();
  if (origin.data.hash !== data.hash) return { worst: null, why: 'the images have changed since the run' };
  return worstOf(run, data, signal);
}
