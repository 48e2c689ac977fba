import { ratesOfStep, type SampleSet } from '#tinytrain';
import type { Device, DeviceStep } from '#tinytrain/device/device.js';

/** Trains a device on a sample of the training split, with the rates of that step of `of`. */
export function trainStep(device: Device, { train }: SampleSet, step: number, of: number): Promise<DeviceStep> {
  const rates = ratesOfStep({ head: 0.01, backbone: 0.01 }, of, step % of);
  return device.train(train.sample(step), train.labels[step] ?? 0, rates);
}

/** The training steps and the checksum of what a device has learned. */
export async function stateOf(device: Device): Promise<{ readonly steps: number; readonly checksum: number }> {
  const { steps, checksum } = await device.counters();
  return { steps, checksum };
}
