/* Input gradient of the pointwise convolution: the product of tt_pointwise_wide.c, of gradients and of the weights of pairs of input channels over all
 * output channels, sorted anew out of the packed ones. Rounding by 2^shift is a multiplication by 2^(32 - shift). */
#include "tt_dot.h"

/* The weights of four input channels, as two pairs of rows for tt_dot_int16; `words` from one pair of packed rows to the next. */
static __attribute__((noinline)) void sorted(const uint32_t *w, int32_t words, int32_t n, uint32_t *to, uint32_t *to2)
{
    const uint32_t half = 0x00800080;
    for (; n > 0; n -= 4, to += 4, to2 += 4) {
        /* Output channels o and o + 1, then o + 2 and o + 3: inputs c, c + 2 in the one word, c + 1, c + 3 in the other. */
        uint32_t p0 = w[0], q0 = w[1], p1 = 0, q1 = 0;
        w += words;
        if (n > 2) {
            p1 = w[0];
            q1 = w[1];
            w += words;
        }
        uint32_t a = tt_sxtb16(p0), b = tt_sxtb16(p1), d = tt_sxtb16(q0), e = tt_sxtb16(q1);
        to[0] = tt_lows(a, b);
        to[1] = tt_lows(d, e);
        to2[0] = tt_highs(a, b);
        to2[1] = tt_highs(d, e);
        /* h = 256 w1 + w0: w1 is its high byte, where w0 is not negative; one more, where it is. */
        a = tt_sxtb16_odd(tt_sadd16(p0, half));
        b = tt_sxtb16_odd(tt_sadd16(p1, half));
        d = tt_sxtb16_odd(tt_sadd16(q0, half));
        e = tt_sxtb16_odd(tt_sadd16(q1, half));
        to[2] = tt_lows(a, b);
        to[3] = tt_lows(d, e);
        to2[2] = tt_highs(a, b);
        to2[3] = tt_highs(d, e);
    }
}

/* The same where every channel is trained; `t` from one output channel to the next. */
static __attribute__((noinline)) void sorted_trained(const int8_t *w, int32_t t, int32_t n, uint32_t *to, uint32_t *to2)
{
    for (; n > 0; n -= 4, w += 4 * t, to += 4, to2 += 4) {
        uint32_t w0 = tt_load4(w), w1 = tt_load4(w + t), w2 = 0, w3 = 0;
        if (n > 2) {
            w2 = tt_load4(w + 2 * t);
            w3 = tt_load4(w + 3 * t);
        }
        uint32_t a = tt_sxtb16(w0), b = tt_sxtb16(w2), d = tt_sxtb16_odd(w0), e = tt_sxtb16_odd(w2);
        to[0] = tt_lows(a, b);
        to[1] = tt_lows(d, e);
        to2[0] = tt_highs(a, b);
        to2[1] = tt_highs(d, e);
        a = tt_sxtb16(w1), b = tt_sxtb16(w3), d = tt_sxtb16_odd(w1), e = tt_sxtb16_odd(w3);
        to[2] = tt_lows(a, b);
        to[3] = tt_lows(d, e);
        to2[2] = tt_highs(a, b);
        to2[3] = tt_highs(d, e);
    }
}

/* Puts the weights of a trained channel, the first (0) or the second (1) of its pair, in their places; `w` is its first one. */
static __attribute__((noinline)) void mend(const int8_t *w, int32_t t, int32_t n, int32_t second, uint32_t *to)
{
    for (int32_t o = 0; o < n; o += 4, w += 4 * t, to += 4) {
        to[second] = tt_pair(w[0], o + 2 < n ? w[2 * t] : 0);
        to[2 + second] = tt_pair(w[t], o + 2 < n ? w[3 * t] : 0);
    }
}

/* How many gradients of two channels saturated: only asked where some did. The first `skip` pixels were counted before. */
static __attribute__((noinline)) uint32_t recount(const tt_rows *r, const uint32_t *columns, int32_t shift, int32_t skip)
{
    uint32_t count = 0;
    for (; columns != r->end; skip -= 4) {
        uint32_t first[4] = {0}, second[4] = {0};
        for (const uint32_t *w = r->w; w != r->w_end; w += 2, columns += 4) {
            for (int32_t j = 0; j < 4; j++) {
                first[j] = (uint32_t)tt_smlad(columns[j], w[0], (int32_t)first[j]);
                second[j] = (uint32_t)tt_smlad(columns[j], w[1], (int32_t)second[j]);
            }
        }
        for (int32_t j = tt_clamp(skip, 0, 4); j < 4; j++) {
            tt_grad8((int32_t)first[j], shift, &count);
            tt_grad8((int32_t)second[j], shift, &count);
        }
    }
    return count;
}

uint32_t tt_pointwise_input_grad(const tt_conv_params *p, int32_t shift, const int8_t *g, const uint32_t *packed,
                                 const int8_t *trained, const uint16_t *channels, int8_t *gx, void *scratch,
                                 int32_t room)
{
    const int32_t pixels = p->out_h * p->out_w, k = p->out_c, n = p->in_c, t = p->trained;
    const int32_t words = tt_column_words(k), pair = words >> 1, each = tt_column_words(n) >> 2;
    const int32_t quads = tt_block_quads(room - 4 * words, 4 * words, pixels >> 2);
    uint32_t *rows = scratch, *columns = rows + words, count = 0;
    tt_rows r = {0};
    r.m0 = r.m1 = 1 << (32 - shift);
    r.n = n;
    r.entry = tt_dot_int16_entry(k);
    for (int32_t from = 0, held; from < pixels; from += 4 * held) {
        int32_t skip = 0;
        held = tt_min(quads, (pixels - from) >> 2);
        if (held == 0) {
            /* The last four pixels: some of them once more. */
            skip = from - (pixels - 4);
            from = pixels - 4;
            held = 1;
        }
        for (int32_t q = 0; q < held; q++)
            tt_columns_dense(g + (from + 4 * q) * k, k, 0, columns + q * words);
        r.end = columns + held * words;
        for (int32_t c = 0, j = 0; c < n; c += 4) {
            if (t == n)
                sorted_trained(trained + c, t, k, rows, rows + pair);
            else
                sorted(packed + c / 2, each, k, rows, rows + pair);
            for (; t < n && j < t && channels[j] < c + 4; j++)
                mend(trained + j, t, k, channels[j] & 1, rows + (channels[j] & 2 ? pair : 0));
            for (int32_t i = 0; i < 4; i += 2) {
                r.w = rows + (i ? pair : 0);
                r.w_end = r.w + pair;
                r.out = gx + from * n + c + i;
                if (tt_dot_int16(&r, columns))
                    count += recount(&r, columns, shift, skip);
            }
        }
    }
    return count;
}
