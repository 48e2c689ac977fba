import { pixelTableCount } from '../data/input.js';
import { TinytrainError } from '../errors.js';
import type { ProgramRecord, StepRecord } from '../program/record.js';
import { arenaPointer, callArguments, makesMask, Parameters, stepCall } from './calls.js';
import type { EmitInput } from './input.js';
import { linkedTable } from './linked.js';
import { rowLoop, streamLoop, tableName, turnTables } from './streams.js';
import { banner, elements, wrap } from './text.js';

/** A range of steps that one C function executes: from `from` up to `to`. */
interface Part {
  readonly from: number;
  readonly to: number;
  /** Whether it adds up saturated elements. */
  readonly counted: boolean;
}

/** The lines of a part's steps; with marks, one before each step and one after the last. */
function steps({ record, marks }: EmitInput, { from, to, counted }: Part, parameters: Parameters): string {
  const mark = (step: number) => (marks ? [`    tt_mark(${step});`] : []);
  const texts: string[] = [];
  for (let index = from; index < to; ) {
    const stream = record.streams.find(({ start }) => start === index);
    const step = record.steps[index];
    if (stream) {
      texts.push(streamLoop(record, stream, parameters, { counted, marks: marks === true }));
      index = stream.end;
    } else if (step) {
      const text = `    /* ${index}: ${step.label}, ${step.sizes} */\n${stepCall(record, step, index, parameters, { counted })}`;
      texts.push([...mark(index), text].join('\n'));
      index++;
    }
  }
  return [...texts, ...mark(to)].join('\n\n');
}

/** Whether a step does more, or is only there, for training. */
function needsTraining({ operands, training }: StepRecord): boolean {
  return training || operands.some(makesMask);
}

/** Locals that a part's steps need; an unused one would cause a warning. */
function locals({ record }: EmitInput, { from, to }: Part, chosen = true): string {
  if (from === to) return '    (void)tt;\n    (void)training;';
  const lines = ['    int8_t *const volatile a = tt->arena;'];
  const part = record.steps.slice(from, to);
  if (part.some(({ operands }) => operands.some(({ place }) => place === 'state'))) {
    lines.push('    tt_state *const volatile s = &tt->state;');
  }
  // A scheme that trains nothing but the head needs nothing more for training.
  if (chosen && to < record.forward && !part.some(needsTraining)) lines.push('    (void)training;');
  return lines.join('\n');
}

/** The head: the last step of the forward pass, and its scale as a constant. */
function head(record: ProgramRecord, parameters: Parameters) {
  const index = record.forward - 1;
  const step = record.steps[index];
  const scale = step?.params.find(param => param.kind === 'logitScale');
  if (!record.logits || !step || !scale) {
    throw new TinytrainError('INTERNAL', 'the forward pass does not end with the error of a head');
  }
  return {
    scale: parameters.name(step, index, scale),
    logits: arenaPointer(record.logits.offset, 'int64'),
    error: wrap(`    ${step.function}(`, [...callArguments(record, step, index, parameters), 'result'], ');', 8),
  };
}

function pixelTables({ pixelTables: tables }: EmitInput, count: number): string {
  if (count === 0) return '';
  const rows = tables.slice(0, count).map(values => `    {\n${elements(values)}\n    },`);
  return `\nconst int8_t tt_pixel_table[${count}][256] = {\n${rows.join('\n')}\n};\n`;
}

function hashBytes(hash: string): string {
  return elements(Array.from({ length: 32 }, (_, i) => Number.parseInt(hash.slice(2 * i, 2 * i + 2), 16)));
}

/** The backward pass of a program; at least the head is trained. */
function backward(input: EmitInput, parameters: Parameters): string {
  const { record } = input;
  const part = { from: record.forward, to: record.steps.length, counted: true };
  const updates = record.steps.some(({ params }) => params.some(({ kind }) => kind === 'update'));
  const update = updates
    ? '    tt_update u;\n    u.lr = rates->backbone;\n    u.k = k;\n    u.step = tt->counters.steps;\n    u.seed = TT_SEED;\n'
    : '';
  return `TT_PART uint32_t tt_backward(tt_context *tt, const tt_rates *rates, int32_t k)
{
${locals(input, part)}
    uint32_t saturated = 0;
${update}
${steps(input, part, parameters)}

    return saturated;
}`;
}

/** The function that runs the first stream as far as the rows of the sample suffice that have come in; none where the sample comes in as a whole. */
function rows(input: EmitInput, parameters: Parameters): { readonly from: number; readonly text: string } {
  const { record } = input;
  const loop = rowLoop(record);
  if (!loop) return { from: 0, text: '' };
  const { stream, part } = loop;
  const name = tableName(stream);
  const steps = { from: stream.start, to: stream.end, counted: false };
  const training = record.steps.slice(stream.start, stream.end).some(needsTraining);
  return {
    from: stream.end,
    text: `
TT_PART int8_t *tt_next_row(tt_context *tt)
{
${locals(input, steps, false)}
${training ? '    const int training = 1;\n' : ''}
${streamLoop(record, stream, parameters, { counted: false, marks: input.marks === true, first: `${name} + tt->counters.turn` })}

    tt->counters.turn = sizeof ${name};
    return NULL;
}

const uint32_t tt_row_turn = ${part.bytes + 1};
`,
  };
}

/** The steps before the boundary of the replay buffer, and what it keeps there; none without one. */
function prefix(
  input: EmitInput,
  from: number,
  parameters: Parameters,
): { readonly from: number; readonly text: string } {
  const { replay } = input.record;
  if (replay === null) return { from, text: '' };
  const part = { from, to: replay.steps, counted: false };
  const live = replay.live.map(({ offset, bytes }) => `    {${offset}, ${bytes}},`);
  return {
    from: replay.steps,
    text: `
/* What the replay buffer keeps of a sample. */
const tt_live tt_replay_live[${live.length}] = {
${live.join('\n')}
};
const uint32_t tt_replay_live_count = ${live.length};

TT_PART void tt_prefix(tt_context *tt, int training)
{
${locals(input, part)}

${steps(input, part, parameters)}
}
`,
  };
}

/** `model/model.c`: the Program, one call per step. */
export function modelFile(input: EmitInput): string {
  const { record, version } = input;
  const parameters = new Parameters();
  const fed = rows(input, parameters);
  const before = prefix(input, fed.from, parameters);
  const forward = { from: before.from, to: record.forward - 1, counted: false };
  const forwardText = steps(input, forward, parameters);
  const { logits, scale, error } = head(record, parameters);
  const backwardText = backward(input, parameters);
  return `${banner(
    `The steps of ${record.name}, in order of execution: forward, head, backward and update.
 * Numbers behind \`a +\` are bytes of the arena, as planned; \`s->\` is the trainable state.`,
    version,
  )}
#include "tt_kernels.h"
#include "steps.h"
${input.marks ? '#include "marks.h"\n' : ''}#include "weights.h"

const uint8_t tt_program_hash[32] = {
${hashBytes(record.hash)}
};
${pixelTables(input, pixelTableCount(input.pixelTables))}
/* Parameters of the kernels. */

${parameters}
${turnTables(record)}${fed.text}${before.text}
TT_PART void tt_forward(tt_context *tt, int training)
{
${locals(input, forward)}

${forwardText}
}

TT_PART void tt_scores(tt_context *tt, tt_head_result *result)
{
    int8_t *const a = tt->arena;
    tt_softmax_scores(TT_CLASSES, &${scale}, ${logits}, result);
}

TT_PART void tt_error(tt_context *tt, uint32_t label, tt_head_result *result)
{
    int8_t *const a = tt->arena;
${error}
}

${backwardText}

${linkedTable(record)}`;
}
