/* ADD. */
#include "tt_spec.h"

#if TT_DSP

/* Bits 20 and up of byte `i` of both words times their multipliers, saturated to int8 or int16. */
#define SUM(i) ((int32_t)(int8_t)(u >> 8 * (i)) * m1 + (int32_t)(int8_t)(v >> 8 * (i)) * m2 + add)

TT_INLINE int32_t sat8(int32_t v)
{
    int32_t r;
    __asm("ssat %0, #8, %1, asr #20" : "=r"(r) : "r"(v));
    return r;
}

TT_INLINE uint32_t sat16(int32_t v)
{
    uint32_t r;
    __asm("ssat %0, #16, %1, asr #20" : "=r"(r) : "r"(v));
    return r;
}

/* `n` elements, a multiple of 8, with the bounds of int8. */
static __attribute__((noinline)) void plain(int32_t n, const int8_t *a, const int8_t *b, int8_t *y, int32_t m1, int32_t m2,
                                            int32_t add)
{
    for (int32_t i = 0; i < n; i += 4) {
        uint32_t u = tt_load4(a + i), v = tt_load4(b + i);
        tt_store4(y + i, tt_bytes4(sat8(SUM(0)), sat8(SUM(1)), sat8(SUM(2)), sat8(SUM(3))));
    }
}

static __attribute__((noinline)) void masked(int32_t n, const int8_t *a, const int8_t *b, int8_t *y, uint8_t *mask,
                                             int32_t m1, int32_t m2, int32_t add)
{
    const uint32_t ones = 0x00010001, bytes = 0x00ff00ff;
    for (int32_t i = 0; i < n; i += 8) {
        uint32_t bits = 0;
        for (int32_t h = 0; h < 2; h++) {
            uint32_t u = tt_load4(a + i + 4 * h), v = tt_load4(b + i + 4 * h);
            uint32_t even = tt_lows(sat16(SUM(0)), sat16(SUM(2))), odd = tt_lows(sat16(SUM(1)), sat16(SUM(3)));
            uint32_t e = tt_ssat8x2(even), o = tt_ssat8x2(odd);
            tt_store4(y + i + 4 * h, (e & bytes) | (o & bytes) << 8);
            uint32_t in = tt_uqsub16(ones, even ^ e) | tt_uqsub16(ones, odd ^ o) << 1;
            bits |= ((in | in >> 14) & 15) << 4 * h;
        }
        *mask++ = (uint8_t)bits;
    }
}

#endif

void tt_add(const tt_add_params *p, const int8_t *a, const int8_t *b, int8_t *y, uint8_t *mask)
{
    const int32_t n = p->n, m1 = p->m1, m2 = p->m2, lo = p->lo, hi = p->hi, zero = p->y_zero;
    tt_mask_clear(mask, n);
    if (m1 > 1 << 21 || m2 > 1 << 21) {
        for (int32_t i = 0; i < n; i++) {
            int64_t v = (int64_t)(a[i] - p->zero1) * m1 + (int64_t)(b[i] - p->zero2) * m2;
            /* Two products below 2^39: their sum is below 2^20 after the shift. */
            y[i] = tt_clamp_mask((int32_t)((v + (1 << 19)) >> 20) + zero, lo, hi, mask, (uint32_t)i);
        }
        return;
    }
    /* Ratios of scales up to 2: with zero points and rounding combined into one constant, everything stays within
     * 2^31. */
    const int32_t add = (1 << 19) + zero * (1 << 20) - p->zero1 * m1 - p->zero2 * m2;
    int32_t i = 0;
#if TT_DSP
    if (lo == -128 && hi == 127) {
        i = n & ~7;
        if (mask)
            masked(i, a, b, y, mask, m1, m2, add);
        else
            plain(i, a, b, y, m1, m2, add);
    }
#endif
    if (!mask) {
        for (; i < n; i++)
            y[i] = (int8_t)tt_clamp((a[i] * m1 + b[i] * m2 + add) >> 20, lo, hi);
        return;
    }
    while (i < n) {
        uint32_t bits = 0, bit = 1;
        for (int32_t stop = tt_min(i + 8, n); i < stop; i++, bit <<= 1) {
            int32_t v = (a[i] * m1 + b[i] * m2 + add) >> 20, c = tt_clamp(v, lo, hi);
            y[i] = (int8_t)c;
            if (v == c)
                bits |= bit;
        }
        mask[(i - 1) >> 3] = (uint8_t)bits;
    }
}
