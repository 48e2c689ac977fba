import * as v from 'valibot';
import { resizePolicies, type Task, tasks } from '../defaults.js';
import { count } from '../json.js';
import type { Crop, FrameSize, Front } from '../options.js';
import type { Fitting, ResizePolicy } from './images/input.js';
import type { Cutting } from './series/rows.js';
import type { SplitShares } from './split.js';

/** A folder of class folders, and the options with which its images are read. */
export interface FolderOrigin {
  readonly kind: 'images';
  /** Absolute path. */
  readonly folder: string;
  readonly resize: ResizePolicy;
  /** The size of a camera's frames, if they are that, and the part of them that is used. */
  readonly camera?: FrameSize | undefined;
  readonly crop?: Crop | undefined;
  readonly skipBad: boolean;
  readonly seed: number;
  readonly shares: SplitShares;
}

/** A folder of recordings, and the options with which they are cut and read. */
export interface SeriesOrigin {
  readonly kind: 'series';
  /** Absolute path. */
  readonly folder: string;
  /** Rows of a sample, and from one to the next; null where each file is a sample. */
  readonly window: number | null;
  readonly hop: number | null;
  /** How sounds became spectrograms, whose rows these are. */
  readonly front?: Front | undefined;
  readonly skipBad: boolean;
  readonly seed: number;
  readonly shares: SplitShares;
}

/** A selection of the samples that the package draws. */
export interface DrawnOrigin {
  readonly kind: 'drawn';
  /** What they belong to; images if omitted. */
  readonly task?: Task | undefined;
  readonly seed: number;
  readonly trainPerClass: number;
  readonly testPerClass: number;
}

/** Everything needed to read a data set again: one kind per kind of source. */
export type DataOrigin = FolderOrigin | SeriesOrigin | DrawnOrigin;

/** How the recordings of a folder were cut, and sounds made spectrograms; nothing for other samples. */
export function cuttingOf(origin: DataOrigin | null | undefined): Cutting {
  if (origin?.kind !== 'series') return {};
  const { window, hop, front } = origin;
  return { ...(window !== null && { window }), ...(hop !== null && { hop }), ...(front && { front }) };
}

/** How the images of a folder were fitted to the input; nothing for other samples. */
export function fittingOf(origin: DataOrigin | null | undefined): Fitting {
  if (origin?.kind !== 'images') return {};
  const { resize, camera, crop } = origin;
  return { resize, ...(camera && { camera }), ...(crop && { crop }) };
}

const rows = v.pipe(count, v.minValue(1));
const frameSize = { columns: rows, rows };
const above = v.pipe(v.number(), v.finite(), v.gtValue(0));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const frames = { rate: rows, window: above, stride: above, channels: rows, low: count, high: rows };
const front = v.variant('kind', [
  v.object({ kind: v.literal('mel'), ...frames }),
  v.object({
    kind: v.literal('micro'),
    ...frames,
    smoothing: count,
    even: share,
    odd: share,
    remaining: share,
    pcan: share,
    offset: above,
    gain: count,
    scale: count,
  }),
]);

/** Schema of an origin that was read from a file. */
export const dataOrigin: v.GenericSchema<unknown, DataOrigin> = v.variant('kind', [
  v.object({
    kind: v.literal('images'),
    folder: v.string(),
    resize: v.picklist(resizePolicies),
    camera: v.optional(v.object(frameSize)),
    crop: v.optional(v.object({ ...frameSize, left: v.optional(count), top: v.optional(count) })),
    skipBad: v.boolean(),
    seed: count,
    shares: v.object({ validation: share, test: share }),
  }),
  v.object({
    kind: v.literal('series'),
    folder: v.string(),
    window: v.nullable(rows),
    hop: v.nullable(rows),
    front: v.optional(front),
    skipBad: v.boolean(),
    seed: count,
    shares: v.object({ validation: share, test: share }),
  }),
  v.object({
    kind: v.literal('drawn'),
    task: v.optional(v.picklist(tasks)),
    seed: count,
    trainPerClass: count,
    testPerClass: count,
  }),
]);
