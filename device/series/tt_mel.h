/* A sound as a log-mel spectrogram, in integers: what `--front mel` computes on the host, bit for bit; docs/data.md defines it. model.h has its sizes,
 * model/series.c its tables. */
#ifndef TT_MEL_H
#define TT_MEL_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The Hann window's first half in Q0.31, a quarter of a turn's cosines in Q0.31, and the triangles: where the lines of the spectrum end that lie below the
 * middle of each channel and above that of the last one, and how much of a line counts in the lower one of its two channels, in Q0.15. */
extern const int32_t tt_mel_window[(TT_MEL_FRAME + 1) / 2];
extern const int32_t tt_mel_cosines[TT_MEL_POINTS / 4 + 1];
extern const uint16_t tt_mel_ends[TT_MEL_CHANNELS + 1];
extern const uint16_t tt_mel_weights[TT_MEL_LINES];

/* A sound that is coming in. */
typedef struct {
    struct {
        int32_t re, im;
    } points[TT_MEL_POINTS / 2];              /* of a frame while it is transformed */
    uint32_t count;                           /* values of the next frame that have come in */
    int16_t values[(TT_MEL_FRAME + 1) / 2 * 2];
} tt_mel;

/* Begins a sound. */
void tt_mel_begin(tt_mel *mel);

/* Goes on with its next value. Returns 1 if that completes a frame, whose TT_MEL_CHANNELS features are then in `features`: the first one after TT_MEL_FRAME
 * values, each further one TT_MEL_STRIDE values later. They are a row of the series:
 *
 *     if (tt_mel_push(&mel, value, features) && tt_series_push(&series, features))
 *         ... a window is whole: see tt_series.h
 */
int tt_mel_push(tt_mel *mel, int16_t value, int16_t *features);

#ifdef __cplusplus
}
#endif

#endif
