import type { ExecutionContext } from 'ava';
import { temporary, write } from './folder.js';
import { seriesNet } from './onnx.js';

/** Rows of two columns: a wave around a level, and one that grows. */
function waves(level: number, rows: number, phase: number): string {
  const row = (i: number) => `${level + Math.round(400 * Math.sin(phase + 0.3 * i))},${(i % 50) / 7 - 3}`;
  return `${Array.from({ length: rows }, (_, i) => row(i)).join('\n')}\n`;
}

/** A folder with a float network of 32 rows and two columns, `net.onnx`, and recordings of two classes, `waves`, from which such samples can be cut. */
export async function withWaves(t: ExecutionContext): Promise<string> {
  const folder = await temporary(t);
  for (const [name, level] of [
    ['high', 500],
    ['low', -500],
  ] as const) {
    await write(folder, {
      [`waves/train/${name}.csv`]: waves(level, 32 * 12, 0),
      [`waves/test/${name}.csv`]: waves(level, 32 * 4, 1),
    });
  }
  await write(folder, { 'net.onnx': seriesNet(32, 2) });
  return folder;
}
