import { TinytrainError } from '../errors.js';
import type { Part, ProgramRecord, StepRecord, Stream, Varying } from '../program/record.js';
import { arenaPointer, type Numbers, type Parameters, stepCall } from './calls.js';
import { elements } from './text.js';

/** The table of a stream's turns. */
export function tableName(stream: Stream): string {
  return `turns_${stream.start}`;
}

/** The tables of all streams. */
export function turnTables({ streams }: ProgramRecord): string {
  const table = (stream: Stream) =>
    `static const uint8_t ${tableName(stream)}[${stream.turns.length}] = {\n${elements(stream.turns)}\n};`;
  return streams.length === 0
    ? ''
    : `\n/* Turns over rows: a part, then what differs from its first turn. */\n${streams.map(table).join('\n')}\n`;
}

/** A varying number as C, `t` being the turn. */
function expression({ base, unit, column, wide }: Varying): string {
  const value = wide ? `(t[${column}] | t[${column + 1}] << 8)` : `t[${column}]`;
  const scaled = unit === 1 ? value : `${unit} * ${value}`;
  return base === 0 ? scaled : `${base} + ${scaled}`;
}

function numbersOf({ varying }: Part): Numbers {
  const numbers: { fields: Map<string, string>; params: Map<number, string>; offsets: Map<number, string> } = {
    fields: new Map(),
    params: new Map(),
    offsets: new Map(),
  };
  for (const one of varying) {
    const { number } = one;
    if (number.kind === 'field') numbers.fields.set(`${number.param} ${number.field}`, expression(one));
    if (number.kind === 'param') numbers.params.set(number.param, expression(one));
    if (number.kind === 'offset') numbers.offsets.set(number.operand, expression(one));
  }
  return numbers;
}

/** A turn in which a row of the sample comes in: the loop stops in front of it, to go on there when it has come. */
function rowTurn({ row, varying }: Part, number: number, name: string): string {
  const place = varying.map(expression)[0] ?? String(row);
  return [
    `        case ${number}: /* a row of the sample */`,
    `            tt->counters.turn = (uint32_t)(t - ${name});`,
    `            return ${arenaPointer(place, 'int8')};`,
  ].join('\n');
}

/** The parameters of a part that vary, as copies in which the varying fields are set. */
function copies(step: StepRecord, index: number, numbers: Numbers, parameters: Parameters): string[] {
  return step.params.flatMap((param, p) => {
    if (param.kind !== 'struct') return [];
    const varying = param.fields.flatMap(([name], f) => {
      const value = numbers.fields.get(`${p} ${f}`);
      return value === undefined ? [] : [`            ${param.name}.${name} = ${value};`];
    });
    if (varying.length === 0) return [];
    return [`            ${param.type} ${param.name} = ${parameters.name(step, index, param)};`, ...varying];
  });
}

function part(record: ProgramRecord, one: Part, number: number, parameters: Parameters, counted: boolean): string {
  const index = one.step ?? -1;
  const step = record.steps[index];
  if (!step) throw new TinytrainError('INTERNAL', `a stream names step ${index}, which does not exist`);
  const numbers = numbersOf(one);
  return [
    `        case ${number}: { /* ${step.label} */`,
    ...copies(step, index, numbers, parameters),
    stepCall(record, step, index, parameters, { counted, indent: 12, numbers }),
    `            t += ${one.bytes + 1};`,
    '            break;',
    '        }',
  ].join('\n');
}

/** The loop that stops for rows of the sample, and its part for them; undefined of a Program that takes its sample as a whole. */
export function rowLoop({
  input,
  streams,
}: ProgramRecord): { readonly stream: Stream; readonly part: Part } | undefined {
  if (input.offset !== null) return undefined;
  const [stream] = streams;
  const part = stream?.parts.find(({ row }) => row !== null);
  if (stream && part) return { stream, part };
  throw new TinytrainError(
    'MODEL_UNSUPPORTED',
    'the first steps of this Program are no loop that could stop for rows of a sample',
    {
      help: ['compile it without --feed rows'],
    },
  );
}

/** How a stream is written: whether it adds up saturated elements, whether a mark stands before each turn, and the turn at which it begins, a C expression. */
export interface LoopOptions {
  readonly counted: boolean;
  readonly marks: boolean;
  readonly first?: string;
}

/** The steps of a stream as a loop over its turns. */
export function streamLoop(
  record: ProgramRecord,
  stream: Stream,
  parameters: Parameters,
  { counted, marks, first }: LoopOptions,
): string {
  const name = tableName(stream);
  const steps = stream.parts.flatMap(({ step }) => (step === null ? [] : [step]));
  const labels = [...new Set(steps.map(step => record.steps[step]?.label ?? ''))];
  return [
    `    /* ${stream.start} to ${stream.end - 1}, over rows: ${labels.join(', ')} */`,
    ...(marks ? [`    uint32_t mark_${stream.start} = ${stream.start};`] : []),
    `    for (const uint8_t *t = ${first ?? name}; t < ${name} + sizeof ${name};) {`,
    ...(marks ? [`        tt_mark(mark_${stream.start}++);`] : []),
    '        switch (*t) {',
    ...stream.parts.map((one, number) =>
      one.row === null ? part(record, one, number, parameters, counted) : rowTurn(one, number, name),
    ),
    '        }',
    '    }',
  ].join('\n');
}
