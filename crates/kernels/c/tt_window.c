/* Convolution of a few channels with a window, as the first layer of a network is: rows of the input are widened once into strips of int16 with zeros
 * where the picture ends, and the columns of four pixels are whole words of the strips. Then the product of tt_pointwise_wide.c. */
#include "tt_dot.h"
#include "tt_output.h"

/* Words of a strip: left padding and the row, or as far as windows reach. */
static int32_t strip_words(const tt_conv_params *p)
{
    const int32_t reach = ((p->out_w - 1) * p->stride_w + p->kw) * p->in_c + 1;
    return (tt_max(reach, (p->pad_left + p->in_w) * p->in_c) + 3) / 2;
}

/* Widens `n` bytes to halfwords from number `at` of a strip on; the one before is kept. */
static __attribute__((noinline)) void widen(const int8_t *x, int32_t n, uint32_t add, int32_t at, uint32_t *strip)
{
    uint32_t *to = strip + (at >> 1);
    if (at & 1) {
        uint32_t before = *to;
        for (; n >= 4; n -= 4, x += 4, to += 2) {
            uint32_t v = tt_load4(x), e = tt_sxtab16(add, v), o = tt_sxtab16_odd(add, v);
            to[0] = tt_lows(before, e);
            to[1] = tt_lows(o, e >> 16);
            before = o >> 16;
        }
        *to = before & 0xffffu;
    } else {
        for (; n >= 4; n -= 4, x += 4, to += 2) {
            uint32_t v = tt_load4(x), e = tt_sxtab16(add, v), o = tt_sxtab16_odd(add, v);
            to[0] = tt_lows(e, o);
            to[1] = tt_highs(e, o);
        }
    }
    int8_t *rest = (int8_t *)to + 2 * (at & 1);
    for (; n > 0; n--, rest += 2) {
        int16_t v = (int16_t)(*x++ + (int16_t)add);
        memcpy(rest, &v, 2);
    }
}

/* `run` words of four pixels, `next` words apart, as a part of their columns. */
TT_INLINE uint32_t *columns4(const uint32_t *s, int32_t next, int32_t run, uint32_t *to)
{
#if TT_DSP
    /* 3x3x3. */
#define PIXEL(at)                                                                                                      \
    "ldm %[s], {r4, r5, r6, r8, r9}\n\t"                                                                               \
    "add %[s], %[next]\n\t"                                                                                            \
    "str r4, [%[to], #" #at "]\n\t"                                                                                    \
    "str r5, [%[to], #16+" #at "]\n\t"                                                                                 \
    "str r6, [%[to], #32+" #at "]\n\t"                                                                                 \
    "str r8, [%[to], #48+" #at "]\n\t"                                                                                 \
    "str r9, [%[to], #64+" #at "]\n\t"
    if (run == 5) {
        __asm volatile(PIXEL(0) PIXEL(4) PIXEL(8) PIXEL(12)
                       : [s] "+r"(s)
                       : [to] "r"(to), [next] "r"(4 * next)
                       : "r4", "r5", "r6", "r8", "r9", "memory");
        return to + 20;
    }
#endif
    for (int32_t j = 0; j < 4; j++, s += next)
        for (int32_t i = 0; i < run; i++)
            to[4 * i + j] = s[i];
    return to + 4 * run;
}

void tt_window(const tt_conv_params *p, const int8_t *x, const uint32_t *wide, const int32_t *bias,
               const int32_t *offset, const int32_t *m, int8_t *y, void *scratch, int32_t room)
{
    const int32_t c = p->in_c, n = p->out_c, kh = p->kh, strip = strip_words(p), run = (p->kw * c + 1) / 2;
    const int32_t words = kh * run, next = p->stride_w * c / 2;
    const int32_t quads = tt_block_quads(room - 4 * kh * strip, 16 * words, p->out_w >> 2);
    const uint32_t add = tt_pair(-p->x_zero, -p->x_zero);
    uint32_t *strips = scratch, *columns = strips + kh * strip;
    tt_rows r = {0};
    r.zero = p->y_zero;
    r.n = n;
    r.entry = (words - 1) & 7;
    memset(strips, 0, (size_t)(4 * kh * strip));
    /* The first row that is not in its strip; row iy lies in strip (iy + pad_top) modulo kh. */
    int32_t fresh = -p->pad_top;
    for (int32_t oy = 0; oy < p->out_h; oy++, y += p->out_w * n) {
        const int32_t top = oy * p->stride_h - p->pad_top;
        for (fresh = tt_max(fresh, top); fresh < top + kh; fresh++) {
            uint32_t *to = strips + (fresh + p->pad_top) % kh * strip;
            if (fresh >= 0 && fresh < p->in_h)
                widen(x + fresh * p->in_w * c, p->in_w * c, add, p->pad_left * c, to);
            else
                memset(to, 0, (size_t)(4 * strip));
        }
        for (int32_t ox = 0, count; ox < p->out_w; ox += 4 * count) {
            count = tt_min(quads, (p->out_w - ox) >> 2);
            if (count == 0) {
                /* The last four pixels of the row: some of them once more. */
                ox = p->out_w - 4;
                count = 1;
            }
            uint32_t *to = columns;
            for (int32_t q = 0; q < count; q++)
                for (int32_t ky = 0; ky < kh; ky++)
                    to = columns4(strips + (top + ky + p->pad_top) % kh * strip + (ox + 4 * q) * next, next, run, to);
            r.end = to;
            r.w = wide;
            for (int32_t o = 0; o < n; o += 2, r.w += 2 * words) {
                r.w_end = r.w + 2 * words;
                r.b0 = tt_output_bias(bias, offset, o);
                r.b1 = tt_output_bias(bias, offset, o + 1);
                r.m0 = m[o];
                r.m1 = m[o + 1];
                r.out = y + ox * n + o;
                tt_dot_int16(&r, columns);
            }
        }
    }
}
