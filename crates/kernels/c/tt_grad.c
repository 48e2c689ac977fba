/* Gradients: scaling, repetition and sums. */
#include "tt_spec.h"

#if TT_DSP

/* add + (m * half of g >> 16) */
TT_INLINE int32_t smlaw_low(int32_t m, uint32_t g, int32_t add)
{
    int32_t r;
    __asm("smlawb %0, %1, %2, %3" : "=r"(r) : "r"(m), "r"(g), "r"(add));
    return r;
}

TT_INLINE int32_t smlaw_high(int32_t m, uint32_t g, int32_t add)
{
    int32_t r;
    __asm("smlawt %0, %1, %2, %3" : "=r"(r) : "r"(m), "r"(g), "r"(add));
    return r;
}

/* Bytes of a word that four bits of a mask keep. */
static const uint32_t kept[16] = {0x00000000u, 0x000000ffu, 0x0000ff00u, 0x0000ffffu, 0x00ff0000u, 0x00ff00ffu,
                                  0x00ffff00u, 0x00ffffffu, 0xff000000u, 0xff0000ffu, 0xff00ff00u, 0xff00ffffu,
                                  0xffff0000u, 0xffff00ffu, 0xffffff00u, 0xffffffffu};

/* Four elements; `m` advances by `each` (0 or 1). From a shift of 31 on nothing saturates (m < 2^31, |g| <= 128); below, `sat`, the Q flag says so. */
TT_INLINE uint32_t four(uint32_t g, const int32_t *m, int32_t half, int32_t down, int32_t each, int32_t sat)
{
    uint32_t even = tt_sxtb16(g), odd = tt_sxtb16_odd(g);
    int32_t v0 = smlaw_low(m[0], even, half) >> down, v1 = smlaw_low(m[each], odd, half) >> down;
    int32_t v2 = smlaw_high(m[2 * each], even, half) >> down, v3 = smlaw_high(m[3 * each], odd, half) >> down;
    if (sat)
        __asm volatile("ssat %0, #8, %0\n\tssat %1, #8, %1\n\tssat %2, #8, %2\n\tssat %3, #8, %3"
                       : "+r"(v0), "+r"(v1), "+r"(v2), "+r"(v3));
    return tt_bytes4(v0, v1, v2, v3);
}

TT_INLINE void clear_q(void)
{
    __asm volatile("msr apsr_nzcvq, %0" : : "r"(0) : "cc");
}

TT_INLINE uint32_t read_q(void)
{
    uint32_t r;
    __asm volatile("mrs %0, apsr" : "=r"(r));
    return r & (uint32_t)1 << 27;
}

/* How many of four elements saturate: only asked where one did. */
static __attribute__((noinline)) uint32_t recount(uint32_t g, const int32_t *m, int32_t s, int32_t each)
{
    uint32_t count = 0;
    for (; g; g >>= 8, m += each)
        tt_grad8((int64_t)(int8_t)g * *m, s, &count);
    return count;
}

/* Eight elements at once, for shifts from 17 to 47: of the product with g the high 32 of 48 bits are enough. Whole rows of `width` elements, a
 * multiple of 8, and then the multipliers begin anew. */
TT_INLINE uint32_t eights(int32_t rows, int32_t width, int32_t s, const int8_t *g, const uint8_t *mask, const int32_t *m,
                          int8_t *gx, int32_t each, int32_t sat)
{
    const int32_t half = 1 << (s - 17), down = s - 16;
    uint32_t saturated = 0;
    clear_q();
    for (; rows > 0; rows--) {
        const int32_t *c = m;
        for (const int8_t *end = g + width; g != end; g += 8, gx += 8, c += 8 * each) {
            uint32_t a = tt_load4(g), b = tt_load4(g + 4);
            if (mask) {
                uint32_t bits = *mask++;
                a &= kept[bits & 15];
                b &= kept[bits >> 4];
            }
            uint32_t low = four(a, c, half, down, each, sat), high = four(b, c + 4 * each, half, down, each, sat);
            if (sat && read_q()) {
                saturated += recount(a, c, s, each) + recount(b, c + 4 * each, s, each);
                clear_q();
            }
            tt_store4(gx, low);
            tt_store4(gx + 4, high);
        }
    }
    return saturated;
}

#define EIGHTS(name, each, sat)                                                                                        \
    static __attribute__((noinline)) uint32_t name(int32_t rows, int32_t width, int32_t s, const int8_t *g,            \
                                                   const uint8_t *mask, const int32_t *m, int8_t *gx)                  \
    {                                                                                                                  \
        return eights(rows, width, s, g, mask, m, gx, each, sat);                                                      \
    }
EIGHTS(by_channel, 1, 0)
EIGHTS(by_channel_saturating, 1, 1)
EIGHTS(by_one, 0, 0)
EIGHTS(by_one_saturating, 0, 1)

#endif

uint32_t tt_grad_scale(const tt_grad_scale_params *p, const int8_t *g, const uint8_t *mask, const int32_t *m,
                       const uint8_t *shift, int8_t *gx)
{
    uint32_t saturated = 0;
#if TT_DSP
    const int32_t width = m ? p->channels : p->n;
    if (!shift && p->s >= 17 && p->s <= 47 && (width & 7) == 0) {
        if (m && p->s >= 31)
            return by_channel(p->n / width, width, p->s, g, mask, m, gx);
        if (m)
            return by_channel_saturating(p->n / width, width, p->s, g, mask, m, gx);
        if (p->s >= 31)
            return by_one(1, width, p->s, g, mask, &p->m, gx);
        return by_one_saturating(1, width, p->s, g, mask, &p->m, gx);
    }
#endif
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
    int32_t i = 0;
#if TT_DSP
    for (; i + 4 <= p->n; i += 4) {
        uint32_t u = tt_load4(a + i), v = tt_load4(b + i), whole, wrapped;
        __asm("qadd8 %0, %1, %2" : "=r"(whole) : "r"(u), "r"(v));
        __asm("sadd8 %0, %1, %2" : "=r"(wrapped) : "r"(u), "r"(v));
        for (uint32_t other = whole ^ wrapped; other; other >>= 8)
            saturated += (other & 0xff) != 0;
        tt_store4(gx + i, whole);
    }
#endif
    for (; i < p->n; i++) {
        int32_t v = a[i] + b[i], c = tt_ssat8(v);
        saturated += v != c;
        gx[i] = (int8_t)c;
    }
    return saturated;
}
