/* A sound as the features of TensorFlow Lite for Microcontrollers' micro front end, bit for bit: what `--front micro` computes on the host; docs/data.md defines it.
 * model.h has its sizes, model/series.c its tables. */
#ifndef TT_MICRO_H
#define TT_MICRO_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The Hann window in Q0.12, a quarter of a turn's cosines in Q0.15, and the triangles: where the lines of the spectrum end that lie below the middle of each channel
 * and above that of the last one, and how much of a line counts in the lower and in the upper one of its two channels, in Q0.12. Then the parabolas of the gain over
 * the noise's bits, and what log2(1 + i / 128) is above i / 128, in Q0.16. */
extern const int16_t tt_micro_window[TT_MICRO_FRAME];
extern const int16_t tt_micro_cosines[TT_MICRO_POINTS / 4 + 1];
extern const uint16_t tt_micro_ends[TT_MICRO_CHANNELS + 1];
extern const uint16_t tt_micro_weights[2 * TT_MICRO_LINES];
#ifdef TT_MICRO_GAIN_SHIFT
extern const int16_t tt_micro_gains[125];
#endif
extern const uint16_t tt_micro_logs[129];

/* A sound that is coming in. */
typedef struct {
    struct {
        int16_t re, im;
    } points[TT_MICRO_POINTS / 2];            /* of a frame while it is transformed */
    uint32_t noise[TT_MICRO_CHANNELS];        /* of each channel, from the frames so far */
    uint32_t count;                           /* values of the next frame that have come in */
    int16_t values[(TT_MICRO_FRAME + 1) / 2 * 2];
} tt_micro;

/* Begins a sound, with no noise. */
void tt_micro_begin(tt_micro *micro);

/* Goes on with its next value. Returns 1 if that completes a frame, whose TT_MICRO_CHANNELS features are then in `features`: the first one after TT_MICRO_FRAME
 * values, each further one TT_MICRO_STRIDE values later. They are a row of the series:
 *
 *     if (tt_micro_push(&micro, value, features) && tt_series_push(&series, features))
 *         ... a window is whole: see tt_series.h
 */
int tt_micro_push(tt_micro *micro, int16_t value, int16_t *features);

#ifdef __cplusplus
}
#endif

#endif
