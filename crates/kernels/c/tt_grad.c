/* Gradients: scaling, repetition and sums. */
#include "tt_spec.h"

uint32_t tt_grad_scale(const tt_grad_scale_params *p, const int8_t *g, const uint8_t *mask, const int32_t *m,
                       const uint8_t *shift, int8_t *gx)
{
    uint32_t saturated = 0;
    if (shift || p->s < 8 || p->s > 62) {
        int32_t c = 0;
        for (int32_t i = 0; i < p->n; i++) {
            int64_t product = tt_mask_get(mask, (uint32_t)i) ? (int64_t)g[i] * (m ? m[c] : p->m) : 0;
            gx[i] = tt_grad8(product, shift ? p->s - shift[c] : p->s, &saturated);
            if (++c == p->channels)
                c = 0;
        }
        return saturated;
    }
    /* With g shifted left for shifts below 32, the high word of the product is the entire result. */
    const int32_t up = tt_max(0, 32 - p->s), down = tt_max(0, p->s - 32), n = p->n, one = p->m;
    const int64_t half = tt_shl(1, 31 + down);
    for (int32_t i = 0, c = 0; i < n;) {
        /* To the end of a byte of the mask or of the multipliers. */
        int32_t stop = tt_min(tt_min((i | 7) + 1, n), m ? i + p->channels - c : n);
        uint32_t bits = mask ? (uint32_t)mask[i >> 3] >> (i & 7) : 0xff;
        const int32_t *from = m ? m + c : &one;
        const int32_t step = m ? 1 : 0;
        c = m && c + stop - i < p->channels ? c + stop - i : 0;
        for (; i < stop; i++, bits >>= 1, from += step) {
            int32_t v = 0;
            if (bits & 1) {
                int32_t high = (int32_t)(((int64_t)(g[i] * (1 << up)) * *from + half) >> 32) >> down;
                v = tt_ssat8(high);
                saturated += v != high;
            }
            gx[i] = (int8_t)v;
        }
    }
    return saturated;
}

uint32_t tt_grad_repeat(const tt_grad_scale_params *p, const int8_t *g, const uint8_t *mask, const int32_t *m,
                        const uint8_t *shift, int8_t *gx)
{
    uint32_t saturated = tt_grad_scale(p, g, mask, m, shift, gx);
    for (int32_t i = 1; i < p->repeat; i++)
        memcpy(gx + i * p->n, gx, (size_t)p->n);
    return saturated * (uint32_t)p->repeat;
}

uint32_t tt_sum(const tt_sum_params *p, const int8_t *a, const int8_t *b, int8_t *gx)
{
    uint32_t saturated = 0;
    for (int32_t i = 0; i < p->n; i++) {
        int32_t v = a[i] + b[i], c = tt_ssat8(v);
        saturated += v != c;
        gx[i] = (int8_t)c;
    }
    return saturated;
}
