/* The inner product of the full convolution and its gradients: a row of int8 times four columns of int16 at once.
 *
 * Columns are interleaved in scratch: every four elements k of the reduction take eight words, the pairs (k, k+2)
 * of columns 0 to 3 followed by the pairs (k+1, k+3), which is the order in which SXTB16 widens a word of the row.
 * Four elements of a row cost 1 load, 2 SXTB16, 4 double loads and 8 SMLAD for 16 products. Lengths are rounded up
 * to 4; elements beyond the end of a row count as 0 and are not read. */
#ifndef TT_COLUMNS_H
#define TT_COLUMNS_H

#include "tt_spec.h"

typedef struct {
    int32_t v[4];
} tt_quad;

/* The number of words for `n` elements. */
TT_INLINE int32_t tt_column_words(int32_t n)
{
    return (n + 3) / 4 * 8;
}

TT_INLINE tt_quad tt_dot4_word(uint32_t word, const uint32_t *c, tt_quad a)
{
    uint32_t even = tt_sxtb16(word), odd = tt_sxtb16_odd(word);
    a.v[0] = tt_smlad(c[0], even, a.v[0]);
    a.v[1] = tt_smlad(c[1], even, a.v[1]);
    a.v[2] = tt_smlad(c[2], even, a.v[2]);
    a.v[3] = tt_smlad(c[3], even, a.v[3]);
    a.v[0] = tt_smlad(c[4], odd, a.v[0]);
    a.v[1] = tt_smlad(c[5], odd, a.v[1]);
    a.v[2] = tt_smlad(c[6], odd, a.v[2]);
    a.v[3] = tt_smlad(c[7], odd, a.v[3]);
    return a;
}

#if TT_DSP

/* One word of the row, with fixed instructions: GCC would load the columns one word at a time. */
#define TT_DOT4_WORD                                                                                                   \
    "ldr %[w], [%[row]], #4\n\t"                                                                                       \
    "ldrd %[x], %[y], [%[c]], #8\n\t"                                                                                  \
    "sxtb16 %[e], %[w]\n\t"                                                                                            \
    "sxtb16 %[w], %[w], ror #8\n\t"                                                                                    \
    "smlad %[a0], %[x], %[e], %[a0]\n\t"                                                                               \
    "smlad %[a1], %[y], %[e], %[a1]\n\t"                                                                               \
    "ldrd %[x], %[y], [%[c]], #8\n\t"                                                                                  \
    "smlad %[a2], %[x], %[e], %[a2]\n\t"                                                                               \
    "smlad %[a3], %[y], %[e], %[a3]\n\t"                                                                               \
    "ldrd %[x], %[y], [%[c]], #8\n\t"                                                                                  \
    "smlad %[a0], %[x], %[w], %[a0]\n\t"                                                                               \
    "smlad %[a1], %[y], %[w], %[a1]\n\t"                                                                               \
    "ldrd %[x], %[y], [%[c]], #8\n\t"                                                                                  \
    "smlad %[a2], %[x], %[w], %[a2]\n\t"                                                                               \
    "smlad %[a3], %[y], %[w], %[a3]\n\t"

#define TT_DOT4_LOOP(words, count)                                                                                     \
    __asm("0:\n\t" words "subs %[n], #1\n\tbne 0b"                                                                     \
          : [row] "+r"(row), [c] "+r"(c), [n] "+r"(count), [a0] "+r"(a.v[0]), [a1] "+r"(a.v[1]), [a2] "+r"(a.v[2]),    \
            [a3] "+r"(a.v[3]), [w] "=&r"(w), [e] "=&r"(e), [x] "=&r"(x), [y] "=&r"(y)                                  \
          :                                                                                                            \
          : "cc", "memory")

/* a + row . columns */
TT_INLINE tt_quad tt_dot4(const int8_t *row, const uint32_t *c, int32_t n, tt_quad a)
{
    uint32_t w, e, x, y;
    int32_t fours = n >> 4, words = (n >> 2) & 3;
    if (fours)
        TT_DOT4_LOOP(TT_DOT4_WORD TT_DOT4_WORD TT_DOT4_WORD TT_DOT4_WORD, fours);
    if (words)
        TT_DOT4_LOOP(TT_DOT4_WORD, words);
    if (n & 3)
        a = tt_dot4_word(tt_load_part(row, n & 3), c, a);
    return a;
}

#else

TT_INLINE tt_quad tt_dot4(const int8_t *row, const uint32_t *c, int32_t n, tt_quad a)
{
    for (; n >= 4; n -= 4, row += 4, c += 8)
        a = tt_dot4_word(tt_load4(row), c, a);
    if (n)
        a = tt_dot4_word(tt_load_part(row, n), c, a);
    return a;
}

#endif

/* The same for one column. */
TT_INLINE int32_t tt_dot1(const int8_t *row, const uint32_t *c, int32_t n, int32_t a)
{
    for (; n > 0; n -= 4, row += 4, c += 8) {
        uint32_t word = n < 4 ? tt_load_part(row, n) : tt_load4(row);
        a = tt_smlad(c[0], tt_sxtb16(word), a);
        a = tt_smlad(c[4], tt_sxtb16_odd(word), a);
    }
    return a;
}

/* Widens `n` bytes into one column and adds the pair `add` (the negated zero point in both halves). */
TT_INLINE void tt_column_widen(const int8_t *x, int32_t n, uint32_t add, uint32_t *c)
{
    for (; n > 0; n -= 4, x += 4, c += 8) {
        uint32_t word = n < 4 ? tt_load_part(x, n) : tt_load4(x);
        c[0] = tt_sxtab16(add, word);
        c[4] = tt_sxtab16_odd(add, word);
    }
}

/* Four columns at once, `stride` bytes apart in `x`. */
static __attribute__((noinline, unused)) void tt_columns_widen(const int8_t *x, int32_t stride, int32_t n, uint32_t add,
                                                               uint32_t *c)
{
    for (; n > 0; n -= 4, x += 4, c += 8) {
        const int8_t *x1 = x + stride, *x2 = x1 + stride, *x3 = x2 + stride;
        uint32_t a, b, d, e;
        if (n < 4) {
            a = tt_load_part(x, n), b = tt_load_part(x1, n), d = tt_load_part(x2, n), e = tt_load_part(x3, n);
        } else {
            a = tt_load4(x), b = tt_load4(x1), d = tt_load4(x2), e = tt_load4(x3);
        }
        c[0] = tt_sxtab16(add, a);
        c[1] = tt_sxtab16(add, b);
        c[2] = tt_sxtab16(add, d);
        c[3] = tt_sxtab16(add, e);
        c[4] = tt_sxtab16_odd(add, a);
        c[5] = tt_sxtab16_odd(add, b);
        c[6] = tt_sxtab16_odd(add, d);
        c[7] = tt_sxtab16_odd(add, e);
    }
}

/* Widens the transpose: element k of column j is `x[k * stride + j]`, for `columns` (1 to 4) columns; the others
 * become 0. */
static __attribute__((noinline, unused)) void tt_columns_transpose(const int8_t *x, int32_t stride, int32_t n,
                                                                   int32_t columns, uint32_t *c)
{
    for (; n > 0; n -= 4, x += 4 * stride, c += 8) {
        uint32_t w0, w1 = 0, w2 = 0, w3 = 0;
        if (n >= 4 && columns == 4) {
            const int8_t *x2 = x + 2 * stride;
            w0 = tt_load4(x), w1 = tt_load4(x + stride), w2 = tt_load4(x2), w3 = tt_load4(x2 + stride);
        } else {
            w0 = tt_load_part(x, columns);
            if (n > 1)
                w1 = tt_load_part(x + stride, columns);
            if (n > 2)
                w2 = tt_load_part(x + 2 * stride, columns);
            if (n > 3)
                w3 = tt_load_part(x + 3 * stride, columns);
        }
        uint32_t e0 = tt_sxtb16(w0), e1 = tt_sxtb16(w1), e2 = tt_sxtb16(w2), e3 = tt_sxtb16(w3);
        c[0] = tt_lows(e0, e2);
        c[2] = tt_highs(e0, e2);
        c[4] = tt_lows(e1, e3);
        c[6] = tt_highs(e1, e3);
        uint32_t o0 = tt_sxtb16_odd(w0), o1 = tt_sxtb16_odd(w1), o2 = tt_sxtb16_odd(w2), o3 = tt_sxtb16_odd(w3);
        c[1] = tt_lows(o0, o2);
        c[3] = tt_highs(o0, o2);
        c[5] = tt_lows(o1, o3);
        c[7] = tt_highs(o1, o3);
    }
}

/* For any count and any shift; rare, hence not inlined. */
static __attribute__((noinline, unused)) int8_t *tt_grad_quad_any(const tt_quad *a, int32_t count, int32_t shift,
                                                                  int32_t stride, int8_t *to, uint32_t *saturated)
{
    for (int32_t i = 0; i < count; i++, to += stride)
        *to = tt_grad8(a->v[i], shift, saturated);
    return to;
}

/* Rounds the first `count` of four sums to gradients `stride` bytes apart; returns the address of the next one. */
TT_INLINE int8_t *tt_grad_quad(tt_quad a, int32_t count, int32_t shift, int32_t stride, int8_t *to, uint32_t *saturated)
{
    if (count < 4 || (uint32_t)(shift - 2) > 30) {
        tt_quad copy = a;
        return tt_grad_quad_any(&copy, count, shift, stride, to, saturated);
    }
    /* floor((v + 2^(s-1)) / 2^s) = ((v >> (s-1)) + 1) >> 1, which cannot overflow. */
    const int32_t s = shift - 1;
    int32_t v0 = ((a.v[0] >> s) + 1) >> 1, v1 = ((a.v[1] >> s) + 1) >> 1;
    int32_t v2 = ((a.v[2] >> s) + 1) >> 1, v3 = ((a.v[3] >> s) + 1) >> 1;
    int32_t c0 = tt_ssat8(v0), c1 = tt_ssat8(v1), c2 = tt_ssat8(v2), c3 = tt_ssat8(v3);
    to[0] = (int8_t)c0;
    to[stride] = (int8_t)c1;
    to[2 * stride] = (int8_t)c2;
    to[3 * stride] = (int8_t)c3;
    if ((v0 ^ c0) | (v1 ^ c1) | (v2 ^ c2) | (v3 ^ c3))
        *saturated += (uint32_t)((v0 != c0) + (v1 != c1) + (v2 != c2) + (v3 != c3));
    return to + 4 * stride;
}

#endif
