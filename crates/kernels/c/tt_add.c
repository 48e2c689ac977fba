/* ADD. */
#include "tt_spec.h"

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
    if (!mask) {
        for (int32_t i = 0; i < n; i++)
            y[i] = (int8_t)tt_clamp((a[i] * m1 + b[i] * m2 + add) >> 20, lo, hi);
        return;
    }
    for (int32_t i = 0; i < n;) {
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
