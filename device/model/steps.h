/* Between api.c, which is the same for every program, and model.c, which is generated. Not for applications. */
#ifndef TT_STEPS_H
#define TT_STEPS_H

#include "model.h"

/* Bytes of values in a format. */
static inline uint32_t tt_raw_bytes(uint32_t values, tt_format format)
{
    switch (format) {
    case TT_RGB565:
        return values / 3 * 2;
    case TT_GREY:
        return values / TT_INPUT_CHANNELS;
    default:
        return values;
    }
}

/* Not inlined: each part of the program has its own stack frame, and the plan counts them one by one. */
#define TT_PART __attribute__((noinline))

#ifdef TT_FED
/* Runs the first steps as far as they can go without another row of the sample; returns the place of that row, NULL if all have come in. It goes on where
 * it stopped once `counters.turn` has been increased by tt_row_turn. */
int8_t *tt_next_row(tt_context *tt);
extern const uint32_t tt_row_turn;
#endif
#if TT_REPLAY_PLACES
/* Computes what the replay buffer keeps of the sample in the arena; tt_forward goes on from there. */
void tt_prefix(tt_context *tt, int training);

/* Where that lies in the arena. */
typedef struct {
    uint32_t offset, bytes;
} tt_live;
extern const tt_live tt_replay_live[];
extern const uint32_t tt_replay_live_count;

/* Keeps it for its class, if it gets a place. */
void tt_replay_keep(tt_context *tt, uint32_t label);
/* Puts a kept sample there; returns whether there is one, and its class. */
int tt_replay_recall(tt_context *tt, uint32_t *label);
/* Notes a training step on a sample of a class. */
void tt_replay_trained(tt_context *tt, uint32_t label);
#endif
/* Computes the logits of the sample in the arena; for training, also the masks and copies that the backward pass reads. */
void tt_forward(tt_context *tt, int training);
/* Converts logits to probabilities. */
void tt_scores(tt_context *tt, tt_head_result *result);
/* Converts logits to probabilities, loss and error. */
void tt_error(tt_context *tt, uint32_t label, tt_head_result *result);
/* Computes gradients and updates; returns the number of gradient elements that saturated. */
uint32_t tt_backward(tt_context *tt, const tt_rates *rates, int32_t k);
/* The rates of the next step of a schedule, of which steps are left. */
tt_rates tt_scheduled_rates(const tt_schedule *schedule);

/* Whether a number may be the peak of a schedule: 0 to 2^64. */
int tt_is_peak(double rate);

/* Resets the trainable state to its compiled values. */
void tt_initial_state(tt_state *state);

/* Arrays in flash, and the CRC-32 of their bytes: constants, and initial values of the state. An empty one ends each table. */
typedef struct {
    const void *bytes;
    uint32_t count;
} tt_span;
extern const tt_span tt_constants[], tt_initial[];
extern const uint32_t tt_constants_crc, tt_initial_crc;

/* SHA-256 of the program; programs with equal hashes compute the same bits. */
extern const uint8_t tt_program_hash[32];

#if TT_PIXEL_TABLES
/* The int8 value of each pixel value: one table for all channels, or one per channel. */
extern const int8_t tt_pixel_table[TT_PIXEL_TABLES][256];
#endif

#endif
