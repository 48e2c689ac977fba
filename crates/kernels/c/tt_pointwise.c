/* Pointwise convolution over packed weights: columns of inputs of as many pixels as scratch holds, by one pair of output channels after the other, so
 * that weights are read once for all these pixels. */
#include "tt_dot.h"
#include "tt_output.h"

/* A pair of rows of which some or all weights are trained; `row` holds 0 for these. */
static __attribute__((noinline)) void mended(const tt_conv_params *p, const uint32_t *row, const int8_t *t0,
                                             const uint16_t *channels, uint32_t *to)
{
    const int32_t k = p->in_c, t = p->trained;
    const int8_t *t1 = t0 + t;
    if (t == k) {
        for (int32_t n = k; n > 0; n -= 4, t0 += 4, t1 += 4, to += 2) {
            uint32_t a = n < 4 ? tt_load_part(t0, n) : tt_load4(t0), b = n < 4 ? tt_load_part(t1, n) : tt_load4(t1);
            to[0] = tt_sadd16(tt_sxtb16(a), (b & 0x00ff00ffu) << 8);
            to[1] = tt_sadd16(tt_sxtb16_odd(a), b & 0xff00ff00u);
        }
        return;
    }
    for (int32_t i = 0; i < k; i += 4) {
        to[i >> 1] = row[i >> 1];
        to[(i >> 1) + 1] = row[(i >> 1) + 1];
    }
    for (int32_t j = 0; j < t; j++) {
        const int32_t c = channels[j];
        int16_t h = (int16_t)(t1[j] * 256 + t0[j]);
        /* Elements k and k + 2 stand in the first word, k + 1 and k + 3 in the second. */
        memcpy((int8_t *)to + 2 * ((c & ~3) | (c & 1) << 1 | (c & 2) >> 1), &h, 2);
    }
}

void tt_pointwise(const tt_conv_params *p, const int8_t *x, const uint32_t *packed, const int8_t *trained,
                  const uint16_t *channels, const int32_t *bias, const int32_t *offset, const int32_t *m, int8_t *y,
                  uint8_t *mask, void *scratch, int32_t room)
{
    const int32_t pixels = p->out_h * p->out_w, k = p->in_c, n = p->out_c, t = p->trained;
    const int32_t words = tt_column_words(k), pair = words >> 2, mend = t ? (pair + 1) & ~1 : 0;
    const int32_t quads = tt_block_quads(room - 4 * mend, 4 * words + (mask ? 64 : 0), pixels >> 2);
    const uint32_t add = tt_pair(-p->x_zero, -p->x_zero);
    uint32_t *row = scratch, *columns = row + mend, *wide = columns + quads * words;
    tt_rows r = {0};
    r.zero = p->y_zero;
    r.n = n;
    r.entry = tt_dot_packed_entry(k);
    for (int32_t from = 0, count; from < pixels; from += 4 * count) {
        count = tt_min(quads, (pixels - from) >> 2);
        if (count == 0) {
            /* The last four pixels: some of them once more. */
            from = pixels - 4;
            count = 1;
        }
        for (int32_t q = 0; q < count; q++)
            tt_columns_dense(x + (from + 4 * q) * k, k, add, columns + q * words);
        r.end = columns + count * words;
        const uint32_t *w = packed;
        for (int32_t o = 0; o < n; o += 2, w += pair) {
            if (t)
                mended(p, w, trained + o * t, channels, row);
            r.w = t ? row : w;
            r.w_end = r.w + pair;
            r.b0 = tt_output_bias(bias, offset, o);
            r.b1 = tt_output_bias(bias, offset, o + 1);
            r.m0 = m[o];
            r.m1 = m[o + 1];
            if (!mask) {
                r.out = y + from * n + o;
                tt_dot_packed(&r, columns);
                continue;
            }
            const int32_t j = o & 7, at = from * n + o - 6;
            r.out = (int8_t *)wide + (j & 4) * 2 + (j & 2);
            tt_dot_packed_wide(&r, columns);
            if (j == 6)
                tt_finish8(wide, 4 * count, y + at, n, mask + (at >> 3));
        }
    }
}
