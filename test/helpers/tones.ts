import { write } from './folder.js';
import { seriesNet } from './onnx.js';
import { wav } from './series.js';

/** The sounds of `tones`. */
export const mono = { bits: 16, format: 1, channels: 1, rate: 8000 };

/** A tone of so many values. */
export function tone(hz: number, values: number): number[] {
  return Array.from({ length: values }, (_, i) => Math.round(4000 * Math.sin((2 * Math.PI * hz * i) / 8000 + hz)));
}

/** Low and high tones of 15 frames of 30 ms every 20 ms, `sounds`, and a float network for 10 frames of 12 features, `net.onnx`. */
export async function writeTones(folder: string): Promise<void> {
  const files = [300, 2000].flatMap(hz =>
    Array.from({ length: 6 }, (_, i) => {
      const place = `sounds/${i < 4 ? 'train' : 'test'}/${hz < 1000 ? 'low' : 'high'}/${i}.wav`;
      return [place, wav(tone(hz + 20 * i, 240 + 160 * 14), mono)] as const;
    }),
  );
  await write(folder, { ...Object.fromEntries(files), 'net.onnx': seriesNet(10, 12) });
}
