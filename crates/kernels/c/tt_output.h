/* Conversion of a convolution's accumulators to outputs, shared by the full and the depthwise kernel. */
#ifndef TT_OUTPUT_H
#define TT_OUTPUT_H

#include "tt_columns.h"

typedef struct {
    int32_t zero, lo, hi;
    int32_t channels; /* elements from an output to the next one of the same channel */
    int32_t mode;
    uint8_t *mask;
    int8_t *y;
} tt_output;

/* How four outputs of one channel are written. */
enum {
    TT_ANY,    /* one by one */
    TT_MASKED, /* at once: the four bits of the mask are at the same position of four bytes; any bounds */
    TT_PLAIN,  /* at once: no mask, and the bounds of int8 */
};

TT_INLINE tt_output tt_output_new(const tt_conv_params *p, int8_t *y, uint8_t *mask)
{
    tt_output s = {p->y_zero, p->lo, p->hi, p->out_c, TT_ANY, mask, y};
    if (!mask && p->lo == -128 && p->hi == 127)
        s.mode = TT_PLAIN;
    else if (mask && (p->out_c & 7) == 0)
        s.mode = TT_MASKED;
    return s;
}

/* The bias with which the sum of channel `o` starts. */
TT_INLINE int32_t tt_output_bias(const int32_t *bias, const int32_t *offset, int32_t o)
{
    return offset ? tt_bias_value(bias[o], offset[o]) : bias[o];
}

/* Any number of outputs of one channel with any mask: the general case, and the slow one. */
static __attribute__((noinline, unused)) void tt_output_any(const tt_output *s, const tt_quad *a, int32_t count, int32_t m,
                                                    int32_t left, int32_t at)
{
    for (int32_t j = 0; j < count; j++, at += s->channels)
        s->y[at] = tt_clamp_mask(tt_requant(a->v[j], m, left, s->zero), s->lo, s->hi, s->mask, (uint32_t)at);
}

/* Four outputs of one channel without a shift, the first of which is element `at`; `mode` is TT_MASKED or TT_PLAIN, a
 * constant. */
TT_INLINE void tt_output_quad(const tt_output *s, tt_quad a, int32_t m, int32_t at, int32_t mode)
{
    const int32_t n = s->channels, zero = s->zero;
    int32_t v0 = tt_smmlar(a.v[0], m, zero), v1 = tt_smmlar(a.v[1], m, zero);
    int32_t v2 = tt_smmlar(a.v[2], m, zero), v3 = tt_smmlar(a.v[3], m, zero);
    int32_t c0 = tt_ssat8(v0), c1 = tt_ssat8(v1), c2 = tt_ssat8(v2), c3 = tt_ssat8(v3);
    if (mode == TT_MASKED && s->hi - s->lo != 255) {
        c0 = tt_clamp(c0, s->lo, s->hi);
        c1 = tt_clamp(c1, s->lo, s->hi);
        c2 = tt_clamp(c2, s->lo, s->hi);
        c3 = tt_clamp(c3, s->lo, s->hi);
    }
    int8_t *to = s->y + at;
    to[0] = (int8_t)c0;
    to[n] = (int8_t)c1;
    to += 2 * n;
    to[0] = (int8_t)c2;
    to[n] = (int8_t)c3;
    if (mode == TT_MASKED) {
        uint32_t bit = (uint32_t)1 << (at & 7);
        const int32_t row = n >> 3;
        uint8_t *bits = s->mask + (at >> 3);
        bits[0] = (uint8_t)(bits[0] | (v0 == c0 ? bit : 0));
        bits[row] = (uint8_t)(bits[row] | (v1 == c1 ? bit : 0));
        bits += 2 * row;
        bits[0] = (uint8_t)(bits[0] | (v2 == c2 ? bit : 0));
        bits[row] = (uint8_t)(bits[row] | (v3 == c3 ? bit : 0));
    }
}

#endif
