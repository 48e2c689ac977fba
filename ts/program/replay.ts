import type { Program } from './program.js';

/** For each class the number of samples with which a Program's replay buffer starts. */
export function keptSamples(program: Program): number[] {
  const tags = program.record.states.find(({ kind }) => kind === 'replayTags');
  const counts = new Array<number>(program.classes.length).fill(0);
  if (!tags) return counts;
  const state = program.initialState();
  const view = new DataView(state.buffer, state.byteOffset + tags.offset, tags.bytes);
  for (let i = 0; i < tags.length; i++) {
    const label = view.getUint16(2 * i, true) - 1;
    if (label >= 0 && label < counts.length) counts[label] = (counts[label] ?? 0) + 1;
  }
  return counts;
}

/** Whether a Program's replay buffer starts with samples. */
export function hasKept(program: Program): boolean {
  return keptSamples(program).some(count => count > 0);
}
