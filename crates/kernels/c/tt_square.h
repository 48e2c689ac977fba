/* Depthwise kernels of 3x3, 5x5 and 7x7 with stride 1 or 2: one channel of a band of rows at a time, out of an int16 plane that holds zeros where the
 * picture ends left and right (for 3x3, whose nine weights stay in registers, also above and below), four neighbouring outputs at once. */
#ifndef TT_SQUARE_H
#define TT_SQUARE_H

#include "tt_plane.h"

#if TT_DSP

/* The part of a plane that an output row reads, for kernels wider than 3: bytes from the plane's beginning, bytes from the weights' beginning, and how
 * many rows of the kernel lie outside of the picture. */
typedef struct {
    int32_t plane, weights, outside;
} tt_square_row;

/* A channel. The order of the fields is that in which the assembly keeps them on its stack; it writes the ones without a comment. */
typedef struct {
    int32_t b, m, zero; /* sums begin at b */
    void *out;
    int32_t n;   /* bytes from an output to the next, where they are int8 */
    int32_t row; /* bytes of a row of the plane */
    int32_t x_end;
    int32_t width;   /* bytes by which a row of outputs advances in the plane */
    int32_t skip;    /* 3x3: bytes from there to the next row; else bytes that `out` skips behind a row */
    const void *end; /* 3x3: where the row behind the last one would begin; else the end of `rows` */
    int32_t x, at, entry;
    const tt_square_row *rows;
    const uint32_t *plane, *w;
} tt_square;

/* Words of weights of a kernel row. */
TT_INLINE int32_t tt_square_words(int32_t k, int32_t stride)
{
    return k == 3 ? 2 : k == 5 ? (stride == 1 ? 4 : 3) : stride == 1 ? 6 : 4;
}

/* Runs a channel; `wide` puts int16 out in the order of tt_finish8. Returns whether an int8 saturated. */
uint32_t tt_square_run(const tt_square *channel, int32_t k, int32_t stride, int32_t wide);
/* A kernel of 4x4 at stride 1 with int8 out, in words (w0, w1), (w2, w3), (w1, w2) a row: for input gradients at stride 2. */
uint32_t tt_square_4(const tt_square *channel);

/* Widens the weights of four channels, `n` bytes from tap to tap; `flip`ped in both directions for an input gradient. */
void tt_square_weights(const int8_t *w, int32_t n, int32_t k, int32_t stride, int32_t flip, uint32_t *to);

/* Widens `rows` rows of four channels into their planes, `apart` words apart: `columns` of `width` pixels, `n` bytes from pixel to pixel, the first one
 * at column `pad`. */
void tt_square_widen(const int8_t *x, int32_t rows, int32_t width, int32_t columns, int32_t n, uint32_t add, int32_t pad,
                     uint32_t *to, int32_t words, int32_t apart);

#endif
#endif
