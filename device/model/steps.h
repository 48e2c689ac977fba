/* Between api.c, which is the same for every program, and model.c, which is generated. Not for applications. */
#ifndef TT_STEPS_H
#define TT_STEPS_H

#include "model.h"

/* A frame of its own for each part of the program: the plan counts them one by one. */
#define TT_PART __attribute__((noinline))

/* The sample in the arena to logits. */
void tt_forward(tt_context *tt);
/* Logits to probabilities. */
void tt_scores(tt_context *tt, tt_head_result *result);
/* Logits to probabilities, loss and error. */
void tt_error(tt_context *tt, uint32_t label, tt_head_result *result);
/* Gradients and updates; returns how many gradient elements saturated. */
uint32_t tt_backward(tt_context *tt, tt_real31 rate, int32_t k);
/* The trainable state as compiled. */
void tt_initial_state(tt_state *state);

/* SHA-256 of the program; two programs with the same give the same bits. */
extern const uint8_t tt_program_hash[32];

#if TT_PIXEL_TABLES
/* The int8 value of each value of a pixel: for all channels, or one table a channel. */
extern const int8_t tt_pixel_table[TT_PIXEL_TABLES][256];
#endif

#endif
