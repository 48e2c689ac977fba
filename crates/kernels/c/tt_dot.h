/* The product of a pair of rows of weights and columns of inputs, for the pointwise convolution and its input gradient: two output channels by four
 * pixels at once, whose eight sums stay in registers. Columns are those of tt_columns.h, weights in the formats of `spec::packed`. */
#ifndef TT_DOT_H
#define TT_DOT_H

#include "tt_columns.h"

/* A pair of rows. The order of the fields is that in which the assembly keeps them on its stack. */
typedef struct {
    const uint32_t *w;
    int32_t b0;          /* the first row's sums begin here */
    const uint32_t *end; /* of the columns; they hold at least one group of four pixels */
    int32_t zero, m0, b1, m1;
    void *out; /* the first row's first output */
    int32_t n; /* bytes from an output to the next pixel's */
    const uint32_t *w_end;
    int32_t entry; /* tt_dot_packed_entry or tt_dot_int16_entry */
} tt_rows;

/* Outputs are two neighbouring int8. Packed weights: `h = 256 w1 + w0`; a word of two times a pair of inputs adds 256 S1 + S0, its low bytes
 * (SXTB16) add S0. Both are exact modulo 2^32, hence S1 while it lies within 24 bits; b1 is added behind. */
void tt_dot_packed(const tt_rows *rows, const uint32_t *columns);
/* The same; outputs are int16, 4 bytes apart, 16 bytes from a pixel to the next: see tt_finish8. */
void tt_dot_packed_wide(const tt_rows *rows, const uint32_t *columns);
/* Weights as int16; outputs are two neighbouring int8. Returns whether one of them saturated. */
uint32_t tt_dot_int16(const tt_rows *rows, const uint32_t *columns);

/* Where the loop over `k` elements, rounded up to four, is entered. */
TT_INLINE int32_t tt_dot_packed_entry(int32_t k)
{
    int32_t more = (k - 1) >> 2;
    return more == 0 ? 4 : more & 3;
}

TT_INLINE int32_t tt_dot_int16_entry(int32_t k)
{
    int32_t more = ((k + 3) >> 2) * 2 - 1;
    return more & 7;
}

/* tt_columns_widen for four pixels whose inputs follow one another. */
void tt_columns_dense(const int8_t *x, int32_t k, uint32_t add, uint32_t *c);

/* Eight channels of `pixels` pixels, int16 in the order 0 2 1 3 4 6 5 7, as int8 to y and, where there is a mask, as a byte of it, n and n / 8
 * bytes from one pixel to the next. */
void tt_finish8(const uint32_t *from, int32_t pixels, int8_t *y, int32_t n, uint8_t *mask);

/* How many groups of four pixels, of `share` bytes each, are held at once in `bytes`: as many as fit, divided evenly. */
TT_INLINE int32_t tt_block_quads(int32_t bytes, int32_t share, int32_t all)
{
    int32_t fit = tt_clamp(bytes / share, 1, all), blocks = (all + fit - 1) / fit;
    return (all + blocks - 1) / blocks;
}

#endif
