import type { ProgramRecord, StateKind } from '../program/record.js';

/** The items of the context whose sizes are in the ELF's `tt_linked` table, in order. */
export const linkedItems = [
  'context',
  'arena',
  'weights',
  'residuals',
  'biases',
  'head',
  'replay',
  'counters',
] as const;

const groups: readonly (readonly [name: string, kinds: readonly StateKind[]])[] = [
  ['weights', ['weights']],
  ['residuals', ['residuals']],
  ['biases', ['biases']],
  ['head', ['headWeights', 'headBiases']],
  ['replay', ['replaySamples', 'replayTags', 'replayCounts']],
];

function sizes(record: ProgramRecord, kinds: readonly StateKind[]): string {
  const members = record.states.filter(({ kind }) => kinds.includes(kind));
  if (members.length === 0) return '0';
  return members.map(({ name }) => `sizeof ((tt_context *)0)->state.${name}`).join(' +\n         ');
}

/** A table of the compiled size of each item of the context; it is not in any memory of the board. */
export function linkedTable(record: ProgramRecord): string {
  const items = groups.map(([name, kinds]) => `        /* ${name} */ ${sizes(record, kinds)},`);
  return `/* For tools: the sizes of this build, to be compared with the plan. It is not in flash or SRAM. */
#if defined(__arm__)
extern const uint32_t tt_linked[${linkedItems.length}];
__attribute__((section(".tinytrain"), used)) const uint32_t tt_linked[${linkedItems.length}] = {
        sizeof(tt_context),
        sizeof ((tt_context *)0)->arena,
${items.join('\n')}
        sizeof(tt_counters),
};
#endif
`;
}
