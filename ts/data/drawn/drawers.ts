import type { Task } from '../../defaults.js';
import type { SampleSource } from '../source.js';
import { drawnGestures } from './gestures/set.js';
import { type DrawnOptions, drawnImages } from './set.js';

/** What draws the samples of each task. */
export const drawers: Readonly<Record<Task, (options?: DrawnOptions) => SampleSource>> = {
  images: drawnImages,
  gestures: drawnGestures,
};
