import { pixelTableCount } from '../data/input.js';
import { table } from '../format.js';
import type { MemoryTable } from '../program/memory.js';
import type { ProgramRecord } from '../program/record.js';
import type { EmitInput } from './input.js';
import { savedFrame } from './saved.js';
import { seriesLines } from './series.js';
import { stateMembers } from './state.js';
import { banner, commented } from './text.js';

/** The itemised table of a region, as lines of a comment. */
export function memoryLines({ items, ...totals }: MemoryTable, region: 'sram' | 'flash'): string {
  const rows = items.filter(item => item.region === region).map(({ name, bytes }) => [name, bytes] as const);
  return table([...rows, ['all', totals[region].total]], ' *   ');
}

/** A size as a line of the header: name, value, what it is. */
type Size = readonly [name: string, value: number | string, what: string];

function replaySizes({ replay }: ProgramRecord): readonly Size[] {
  if (replay === null) return [['REPLAY_PLACES', 0, 'samples that are kept for training on them again']];
  return [
    ['REPLAY_PLACES', replay.places, 'samples that are kept for training on them again'],
    ['REPLAY_BYTES', replay.sampleBytes, 'of each'],
  ];
}

function sizes(input: EmitInput): string {
  const { record } = input;
  const [height, width, channels] = record.input.shape;
  const lines: readonly Size[] = [
    ['INPUT_HEIGHT', height, 'rows'],
    ['INPUT_WIDTH', width, 'columns'],
    ['INPUT_CHANNELS', channels, 'interleaved'],
    ['INPUT_BYTES', record.input.bytes, 'of a sample'],
    ['ROW_BYTES', width * channels, 'of a row of it'],
    fed(record)
      ? ['FED', 1, 'the sample comes in row by row, and is nowhere whole']
      : ['INPUT_OFFSET', record.input.offset ?? 0, 'in the arena'],
    ['PIXEL_TABLES', pixelTableCount(input.pixelTables), 'of int8 values of pixels; 0: pixel - 128'],
    ['CLASSES', record.classes, 'of the head'],
    ['SCORES_OFFSET', record.logits?.offset ?? 0, 'in the arena: int64 per class'],
    ['ARENA_BYTES', record.arenaBytes, 'activations, gradients, masks, scratch'],
    ['STATE_BYTES', record.stateBytes, 'trainable state'],
    ['SAVED_BYTES', record.stateBytes + savedFrame, 'of a saved state'],
    ...replaySizes(record),
    ['RESIDUAL_BITS', record.residualBits, 'per trained weight, in addition to its int8'],
    ['SEED', `UINT64_C(${record.seed})`, 'of stochastic rounding'],
  ];
  const name = Math.max(...lines.map(([n]) => n.length));
  const value = Math.max(...lines.map(([, v]) => String(v).length));
  return lines
    .map(([n, v, what]) => `#define TT_${n.padEnd(name)} ${String(v).padEnd(value)} /* ${what} */`)
    .join('\n');
}

/** What a `tt_view` begins with, where the samples were frames of a camera. */
function viewLine({ view }: EmitInput): string {
  if (!view) return '';
  const { width, height, left, top, columns, rows } = view;
  return `#define TT_VIEW_WIDTH ${width} /* columns of a camera's frame */
#define TT_VIEW {${[width, height, left, top, columns, rows].join(', ')}} /* of a camera's frame: see tt_camera.h */\n`;
}

/** Whether the sample comes in row by row. */
function fed(record: ProgramRecord): boolean {
  return record.input.offset === null;
}

/** Classes by number. */
function classLines(names: readonly string[]): string {
  return names.map((name, i) => ` *   ${i}: ${commented(name)}`).join('\n');
}

function stateAsserts({ states, stateBytes }: ProgramRecord): string {
  const members = states.map(
    ({ name, offset, bytes }) =>
      `TT_ASSERT(offsetof(tt_state, ${name}) == ${offset} && sizeof ((tt_state *)0)->${name} == ${bytes}, "${name}");`,
  );
  return [...members, `TT_ASSERT(sizeof(tt_state) == ${stateBytes}, "trainable state");`].join('\n');
}

const statuses = `/* The result of a call. */
typedef enum {
    TT_OK = 0,
    TT_E_ARGUMENT = 1, /* a null pointer, or a window that is not in its frame */
    TT_E_FORMAT = 2,   /* no such format of samples */
    TT_E_LABEL = 3,    /* no such class */
    TT_E_RATE = 4,     /* not a valid tt_real31 */
    TT_E_IO = 5,       /* the function given to tt_save or tt_load failed */
    TT_E_DATA = 6,     /* not a saved state, or a damaged one */
    TT_E_PROGRAM = 7,  /* a state saved by another program */
    TT_E_LOST = 8,     /* loading failed halfway: the state is now the initial one */
    TT_E_ROWS = 9,     /* not all rows of the sample have come in */
    TT_E_STATE = 10,   /* the trainable state is not what the last step, tt_load or tt_init left: memory was changed by something else */
    TT_E_CONSTANTS = 11, /* constants in flash are not those of the program */
    TT_E_SCHEDULE = 12, /* no rates were given, and no schedule has steps left */
    TT_E_EMPTY = 13     /* no sample has been kept yet */
} tt_status;

/* The format of a sample: rows of interleaved channels. */
typedef enum {
    TT_INT8 = 0,   /* already quantised */
    TT_RGB888 = 1, /* bytes from 0 to 255, red, green and blue (or grey, for a program with one channel): quantised when received */
    TT_RGB565 = 3, /* two bytes a pixel, the one with the red first, as camera modules send them; only for three channels */
    TT_GREY = 4    /* a byte from 0 to 255 a pixel, which every channel takes */
} tt_format;`;

/** How a sample that comes in as a whole gets to its place. */
const wholeFunctions = `/* A place where a sample of TT_INPUT_BYTES bytes may be written directly, to save a copy: then pass this pointer to tt_predict or tt_train_step.
 * Both overwrite it. */
int8_t *tt_input(tt_context *tt);`;

/** How a sample comes in row by row. */
const rowFunctions = `/* Takes the next row of a sample, from the top: what can be computed with it is computed, and the row may then be overwritten. After
 * the last of TT_INPUT_HEIGHT rows call tt_predict or tt_train_step without a sample. Between rows anything may be done but to call a function that
 * takes a sample; tt_load drops the rows. Returns TT_E_ROWS if all rows have come in already. */
tt_status tt_feed(tt_context *tt, const void *row, tt_format format);

/* The same in two steps, without a copy: where the next row may be written in any format, NULL if all have come in; then tt_row_written. */
int8_t *tt_row(tt_context *tt);
tt_status tt_row_written(tt_context *tt, tt_format format);

/* Drops the rows that have come in: the next one is the first of another sample. */
void tt_restart(tt_context *tt);`;

/** The step on a kept sample, of a Program that keeps some. */
const replayFunction = `/* Trains on a sample that tt_train_step has kept, of the class whose last step lies furthest back, in the same way; \`label\` gets that class. One of these
 * behind each tt_train_step keeps what was learned from samples that no longer come in. TT_E_EMPTY if none has been kept. */
tt_status tt_replay_step(tt_context *tt, const tt_rates *rates, uint32_t *label, tt_step_result *result);

`;

const functions = (
  record: ProgramRecord,
) => `/* Sets the trainable state and the counters to their initial values. Call it once before anything else. */
tt_status tt_init(tt_context *tt);

${fed(record) ? rowFunctions : wholeFunctions}

/* Predicts the class of a sample${fed(record) ? ': of one that lies somewhere as a whole, or, without one (NULL), of the rows that have come in' : ''}. Does not change the trainable state. */
tt_status tt_predict(tt_context *tt, const void *sample, tt_format format, uint32_t *predicted);

/* The probability of a class after tt_predict or tt_train_step, Q0.31 (2^31 is 1), valid until the next call; 0 for a class that does not exist. */
uint32_t tt_score(const tt_context *tt, uint32_t index);

/* The result of a training step, before its update. */
typedef struct {
    uint32_t predicted; /* class */
    int32_t loss;       /* cross-entropy in nats, Q15.16 */
    uint32_t saturated; /* number of gradient elements that saturated at a bound of int8 */
} tt_step_result;

/* The learning rates of a step: that of the head, and that of the weights and biases of convolutions. */
typedef struct {
    tt_real31 head, backbone;
} tt_rates;

/* Trains on one sample and its class, in place, with these rates or, without (NULL), with those of the schedule that tt_begin_schedule began. With any status
 * but TT_OK the state is unchanged; TT_E_STATE: see tt_check. */
tt_status tt_train_step(tt_context *tt, const void *sample, tt_format format, uint32_t label, const tt_rates *rates,
                        tt_step_result *result);

${record.replay === null ? '' : replayFunction}/* Begins a schedule: over a tenth of the steps the rates rise to these peaks, then they fall to zero along a cosine, as \`tinytrain train\` has them, bit for
 * bit; it prints the peaks that it found. The schedule is saved with the state, and goes on where it was. Steps with rates of their own do not count. No
 * steps end it. TT_E_RATE if a peak is not from 0 to 2^64. */
tt_status tt_begin_schedule(tt_context *tt, double head, double backbone, uint32_t steps);

/* A learning rate from millionths: 1600 is 0.0016. */
tt_real31 tt_rate_from_millionths(uint32_t millionths);

/* TT_E_STATE if a bit of the trainable state or of its counters has changed since tt_init, tt_load or tt_train_step, which seal them. tt_train_step and
 * tt_save check that first, and then refuse; what goes on from there is tt_load, or tt_init. It takes about four instructions per four bytes of state. */
tt_status tt_check(const tt_context *tt);

/* TT_E_CONSTANTS if a bit of the constants or of the initial state in flash is not what was compiled. It takes about 12 instructions a byte: call it at start. */
tt_status tt_check_constants(void);

/* CRC-32 of the trainable state. */
uint32_t tt_checksum(const tt_context *tt);

/* Saves and loads the trained state, TT_SAVED_BYTES bytes, through your own functions, which return 0 if they accepted or supplied \`count\` bytes.
 * tt_load checks everything before it changes anything; it needs the arena for that. If a saved state is larger than the arena, it cannot do so
 * and returns TT_E_LOST if the data turn out to be bad. */
typedef int32_t (*tt_write)(void *user, const void *bytes, uint32_t count);
typedef int32_t (*tt_read)(void *user, void *bytes, uint32_t count);
tt_status tt_save(const tt_context *tt, tt_write write, void *user);
tt_status tt_load(tt_context *tt, tt_read read, void *user);`;

/** `model/model.h`: sizes, the memory table, the context and the interface. */
export function modelHeader(input: EmitInput): string {
  const { record, memory, classNames, version } = input;
  return `${banner(
    `${record.name}: a network that predicts and keeps learning on the device. This header is its entire interface.
 *
 * Program ${record.hash}
 *
 * SRAM, bytes
${memoryLines(memory, 'sram')}
 *
 * Flash, bytes (code: an upper bound)
${memoryLines(memory, 'flash')}
 *
 * Classes
${classLines(classNames)}
 *
 * Nothing here allocates, blocks or computes with floating point. A context must not be used from two places at once.`,
    version,
  )}
#ifndef TT_MODEL_H
#define TT_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* For C11 and for C++11 or later. */
#ifdef __cplusplus
#define TT_ALIGN(bytes) alignas(bytes)
#define TT_ASSERT(condition, name) static_assert(condition, name)
extern "C" {
#else
#define TT_ALIGN(bytes) _Alignas(bytes)
#define TT_ASSERT(condition, name) _Static_assert(condition, name)
#endif

#include "tt_kernels.h"

#define TT_PROGRAM_HASH "${record.hash}"

${sizes(input)}
#define TT_RATE_EXPONENT 1024 /* the largest magnitude of the exponent of a learning rate */
${viewLine(input)}${seriesLines(input)}
${statuses}

/* The trainable state. */
typedef struct {
${stateMembers(record.states)}
} tt_state;

/* How the learning rates go over a number of steps. */
typedef struct {
    double head, backbone; /* the highest rates */
    uint32_t steps, done;  /* in all, and taken */
} tt_schedule;

typedef struct {
    uint32_t steps;     /* training steps so far; stochastic rounding depends on it */
    uint32_t turn;      /* ${fed(record) ? 'how far the rows of a sample have got; 0 before the first' : '0'} */
    uint64_t saturated; /* number of gradient elements that saturated at a bound of int8, over all steps */
    tt_schedule schedule;
    uint32_t seal[2];   /* sums over the state and these counters but the turn, by which tt_check notices a change */
} tt_counters;

/* All memory of a network except the stack. */
typedef struct {
    TT_ALIGN(8) int8_t arena[TT_ARENA_BYTES];
    tt_state state;
    tt_counters counters;
} tt_context;

${stateAsserts(record)}
TT_ASSERT(offsetof(tt_context, arena) == 0 && sizeof ((tt_context *)0)->arena == ${record.arenaBytes}, "arena");
TT_ASSERT(offsetof(tt_context, state) == ${record.stateOffset}, "place of the state");
TT_ASSERT(sizeof(tt_context) == ${record.contextBytes}, "context");

${functions(record)}

#ifdef __cplusplus
}
#endif

#endif
`;
}
