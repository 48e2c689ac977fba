/* The scalar arithmetic of `tinytrain-spec`, function by function; its modules `arith` and `random` define and explain
 * it. */
#ifndef TT_SPEC_H
#define TT_SPEC_H

#include "tt_dsp.h"
#include "tt_kernels.h"

TT_INLINE int32_t tt_min(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

TT_INLINE int32_t tt_max(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

TT_INLINE int32_t tt_clamp(int32_t v, int32_t lo, int32_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

TT_INLINE int32_t tt_sat32(int64_t v)
{
    return v < INT32_MIN ? INT32_MIN : v > INT32_MAX ? INT32_MAX : (int32_t)v;
}

/* v * 2^n without the undefined shift of a negative number. */
TT_INLINE int64_t tt_shl(int64_t v, int32_t n)
{
    return (int64_t)((uint64_t)v << n);
}

/* `Requant::apply` plus the zero point. */
TT_INLINE int32_t tt_requant(int32_t acc, int32_t m, int32_t shift, int32_t zero)
{
    if (shift)
        acc = tt_sat32(tt_shl(acc, shift));
    return tt_smmlar(acc, m, zero);
}

TT_INLINE int64_t tt_round_shift(int64_t v, int32_t s)
{
    if (s > 62)
        return 0;
    if (s > 0)
        return (v + tt_shl(1, s - 1)) >> s;
    int32_t left = tt_min(-s, 24);
    int64_t bound = tt_shl(1, 62 - left);
    return v > bound ? tt_shl(1, 62) : v < -bound ? -tt_shl(1, 62) : tt_shl(v, left);
}

/* `round_shift`, then saturation to int8, which is counted in *saturated. */
TT_INLINE int8_t tt_grad8(int64_t v, int32_t s, uint32_t *saturated)
{
    int64_t r = tt_round_shift(v, s);
    int64_t c = r < -128 ? -128 : r > 127 ? 127 : r;
    *saturated += r != c;
    return (int8_t)c;
}

/* Sets mask bit `n` if `inside`; the kernel has cleared the mask. */
TT_INLINE void tt_mask_or(uint8_t *mask, uint32_t n, uint32_t inside)
{
    mask[n >> 3] = (uint8_t)(mask[n >> 3] | inside << (n & 7));
}

/* Mask bit `n`; 1 if there is no mask. */
TT_INLINE uint32_t tt_mask_get(const uint8_t *mask, uint32_t n)
{
    return mask ? ((uint32_t)mask[n >> 3] >> (n & 7)) & 1 : 1;
}

TT_INLINE void tt_mask_clear(uint8_t *mask, int32_t n)
{
    if (mask)
        memset(mask, 0, ((size_t)n + 7) / 8);
}

/* Clamps, and records in the mask whether the value was inside. */
TT_INLINE int8_t tt_clamp_mask(int32_t v, int32_t lo, int32_t hi, uint8_t *mask, uint32_t n)
{
    int32_t c = tt_clamp(v, lo, hi);
    if (mask)
        tt_mask_or(mask, n, c == v);
    return (int8_t)c;
}

TT_INLINE int32_t tt_bias_value(int32_t base, int32_t offset)
{
    return (int32_t)((uint32_t)base + (uint32_t)((offset >> 8) + ((offset >> 7) & 1)));
}

/* `Real31::times`. */
TT_INLINE tt_real31 tt_real_mul(tt_real31 a, tt_real31 b)
{
    uint32_t m = (uint32_t)(((uint64_t)a.m * b.m) >> 31);
    tt_real31 r = {m, a.e + b.e};
    if (m == 0)
        r.e = 0;
    else if (m < (uint32_t)1 << 30) {
        r.m = m << 1;
        r.e -= 1;
    }
    return r;
}

/* `Qas::real`. */
TT_INLINE tt_real31 tt_qas_real(uint32_t q)
{
    tt_real31 r = {(q >> 8) << 7, (int8_t)(uint8_t)q};
    return r;
}

/* `Rate`. A channel whose `qas` is 0 is never updated: its rate is 0, and kernels leave its state unchanged. */
typedef struct {
    int32_t p, s;
} tt_rate;

TT_INLINE tt_rate tt_rate_new(tt_real31 lr, tt_real31 q, int32_t exponent, int32_t k, int32_t bits)
{
    tt_rate r = {(int32_t)(((uint64_t)lr.m * q.m) >> 31), 31 - lr.e - q.e - exponent + k - bits};
    return r;
}

TT_INLINE int32_t tt_delta(tt_rate r, int32_t acc)
{
    /* With the usual shifts only the high word matters, which is below 2^30. */
    if ((uint32_t)(r.s - 33) <= 29)
        return ((int32_t)(((int64_t)acc * r.p) >> 32) + (1 << (r.s - 33))) >> (r.s - 32);
    return tt_sat32(tt_round_shift((int64_t)acc * r.p, r.s));
}

TT_INLINE int32_t tt_delta_stochastic(tt_rate r, int32_t acc, uint64_t random)
{
    if (r.s <= 0 || r.s > 62)
        return tt_delta(r, acc);
    return tt_sat32(((int64_t)acc * r.p + (int64_t)(random >> (64 - r.s))) >> r.s);
}

/* `random::mix`, `key` and `draw`. */
TT_INLINE uint64_t tt_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

TT_INLINE uint64_t tt_key(uint64_t seed, uint32_t step, uint32_t tensor)
{
    return tt_mix(seed ^ tt_mix((uint64_t)step << 32 | tensor));
}

TT_INLINE uint64_t tt_draw(uint64_t key, uint32_t index)
{
    return tt_mix(key + ((uint64_t)index + 1) * 0x9e3779b97f4a7c15u);
}

/* Updates trained weight `i` with its gradient accumulator: `Rate::delta`, `apply_weight` and the residual plane. */
TT_INLINE void tt_weight_update(tt_rate rate, int32_t bits, uint64_t key, int32_t acc, int8_t *q, uint8_t *lo,
                                uint32_t i)
{
    int32_t delta = bits < 4 ? tt_delta_stochastic(rate, acc, tt_draw(key, i)) : tt_delta(rate, acc);
    int32_t limit = 127 << bits, w = q[i] * (1 << bits), at = 0;
    uint8_t *byte = NULL;
    if (bits) {
        at = (int32_t)(i * (uint32_t)bits & 7);
        byte = lo + (((size_t)i * (uint32_t)bits) >> 3);
        w += (int32_t)((uint32_t)*byte >> at << (32 - bits)) >> (32 - bits);
    }
    /* |w| < 2^16: a delta beyond 2^17 saturates in any case, and the sum cannot overflow. */
    w = tt_clamp(w - tt_clamp(delta, -(1 << 17), 1 << 17), -limit, limit);
    int32_t v = (w + ((1 << bits) >> 1)) >> bits;
    q[i] = (int8_t)v;
    if (bits) {
        uint32_t part = ((uint32_t)1 << bits) - 1;
        *byte = (uint8_t)((*byte & ~(part << at)) | ((uint32_t)w & part) << at);
    }
}

/* `apply_bias`. */
TT_INLINE int32_t tt_apply_bias(int32_t base, int32_t offset, int32_t delta)
{
    int64_t b = (int64_t)base * 256, limit = INT32_MAX;
    int64_t whole = b + offset - delta;
    whole = whole < -limit ? -limit : whole > limit ? limit : whole;
    whole -= b;
    return (int32_t)(whole < -limit ? -limit : whole > limit ? limit : whole);
}

#endif
