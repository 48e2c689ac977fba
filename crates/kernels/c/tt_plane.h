/* Shared by the depthwise kernels: int16 planes of four channels in scratch, and sums over a window for four
 * neighbouring outputs.
 *
 * A plane has `words` pairs per row. Columns left and right of the input are 0; rows above and below are not stored,
 * windows are clipped instead. Each kernel row has `taps` words of weights: (w0, w1), (w2, w3).. for windows that
 * begin at an even column. If windows at odd columns occur (odd distances between outputs), these are interleaved
 * with (0, w0), (w1, w2)... , so that no pair ever has to be loaded across two words. */
#ifndef TT_PLANE_H
#define TT_PLANE_H

#include "tt_columns.h"

/* A depthwise product over planes; for an input gradient, the planes contain gradients that are spread by the
 * stride. */
typedef struct {
    int32_t step;   /* columns between the windows of neighbouring outputs */
    int32_t spread; /* columns from one stored value to the next */
    int32_t pad;    /* columns before the first stored value */
    int32_t taps;   /* words of weights for a kernel row at even columns */
    int32_t row;    /* total words of weights for a kernel row */
    int32_t words;  /* words of a row of a plane */
} tt_plane;

TT_INLINE tt_plane tt_plane_new(int32_t kw, int32_t outputs, int32_t step, int32_t spread, int32_t pad)
{
    tt_plane s = {step, spread, pad, kw / 2 + 1, 0, 0};
    s.row = step & 1 ? 2 * s.taps : s.taps;
    /* The window of the last of four outputs begins here. */
    s.words = ((step * (((outputs + 3) & ~3) - 1)) >> 1) + s.taps;
    return s;
}

/* Two values of each of four channels, as one word per plane; planes are `apart` words apart. */
TT_INLINE void tt_plane_pairs(uint32_t v0, uint32_t v1, uint32_t add, uint32_t *to, int32_t apart, int32_t channels)
{
    uint32_t e0 = tt_sxtab16(add, v0), e1 = tt_sxtab16(add, v1);
    uint32_t o0 = tt_sxtab16_odd(add, v0), o1 = tt_sxtab16_odd(add, v1);
    to[0] = tt_lows(e0, e1);
    if (channels > 1)
        to[apart] = tt_lows(o0, o1);
    if (channels > 2)
        to[2 * apart] = tt_highs(e0, e1);
    if (channels > 3)
        to[3 * apart] = tt_highs(o0, o1);
}

/* The weights of up to four neighbouring channels: tap (0, 0) of the first, and the distance in bytes between taps.
 * Channels are requested in ascending order; `next` counts the trained ones so far. */
typedef struct {
    const int8_t *w;
    int32_t stride, count;
} tt_taps;

TT_INLINE tt_taps tt_depthwise_weights(const tt_conv_params *p, const int8_t *frozen, const int8_t *trained,
                                       const uint16_t *channels, int32_t channel, int32_t limit, int32_t *next)
{
    const int32_t t = p->trained, n = p->out_c;
    if (t == 0)
        return (tt_taps){frozen + channel, n, tt_min(4, limit)};
    if (t == n)
        return (tt_taps){trained + channel, n, tt_min(4, limit)};
    if (*next < t && channels[*next] == channel)
        return (tt_taps){trained + (*next)++, t, 1};
    return (tt_taps){frozen + (channel - *next), n - t, 1};
}

/* Widens weights, `flip`ped in both directions for an input gradient. Kernel rows are sorted by their number modulo
 * `phases`, so that the rows of a window that uses every `phases`th row are contiguous. */
static __attribute__((noinline, unused)) void tt_plane_weights(const tt_plane *s, tt_taps from, int32_t kh, int32_t kw,
                                                               int32_t phases, int32_t flip, uint32_t *to)
{
    const int32_t each = kh * s->row, odd = s->row != s->taps, step = flip ? -from.stride : from.stride;
    if (flip)
        from.w += (kh * kw - 1) * from.stride;
    for (int32_t phase = 0; phase < phases; phase++) {
        for (int32_t ky = phase; ky < kh; ky += phases) {
            const int8_t *w = from.w + ky * kw * step;
            uint32_t before = 0;
            for (int32_t kx = kw; kx >= 0; kx -= 2) {
                uint32_t a = 0, b = 0;
                if (kx > 0)
                    a = from.count == 4 ? tt_load4(w) : tt_load_part(w, from.count), w += step;
                if (kx > 1)
                    b = from.count == 4 ? tt_load4(w) : tt_load_part(w, from.count), w += step;
                tt_plane_pairs(a, b, 0, to++, each, from.count);
                if (odd)
                    tt_plane_pairs(before, a, 0, to++, each, from.count);
                before = b;
            }
        }
    }
}

/* The start of kernel row `ky` in that order. */
TT_INLINE int32_t tt_plane_row_at(const tt_plane *s, int32_t kh, int32_t phases, int32_t ky)
{
    int32_t phase = ky % phases, row = ky / phases;
    for (int32_t i = 0; i < phase; i++)
        row += (kh - i + phases - 1) / phases;
    return row * s->row;
}

/* Widens `n` neighbouring values of `channels` channels, `stride` bytes apart, into a row of each plane, from column
 * `pad` on. */
TT_INLINE void tt_plane_dense(const int8_t *x, int32_t n, int32_t stride, int32_t channels, int32_t zero, int32_t pad,
                              uint32_t *to, int32_t apart)
{
    const uint32_t add = tt_pair(-zero, -zero), blank = (uint32_t)(uint8_t)zero * 0x01010101u;
    to += pad >> 1;
    if (pad & 1) {
        tt_plane_pairs(blank, tt_load_part(x, channels), add, to++, apart, channels);
        x += stride;
        n--;
    }
    for (; n >= 2; n -= 2, x += 2 * stride) {
        if (channels == 4)
            tt_plane_pairs(tt_load4(x), tt_load4(x + stride), add, to++, apart, 4);
        else
            tt_plane_pairs(tt_load_part(x, channels), tt_load_part(x + stride, channels), add, to++, apart, channels);
    }
    if (n > 0)
        tt_plane_pairs(tt_load_part(x, channels), blank, add, to, apart, channels);
}

/* Widens `rows` contiguous rows of `n` values of up to four channels, with values `stride` bytes apart, into rows of
 * each plane; `zero` is their zero point. Writes the same columns of every row; the caller has cleared the
 * others. */
static __attribute__((noinline, unused)) void tt_plane_widen(const tt_plane *s, const int8_t *x, int32_t rows,
                                                             int32_t n, int32_t stride, int32_t channels, int32_t zero,
                                                             uint32_t *to, int32_t apart)
{
    const int32_t step = n * stride;
    n = tt_min(n, (2 * s->words - s->pad + s->spread - 1) / s->spread);
    if (n <= 0)
        return;
    for (; rows > 0; rows--, x += step, to += s->words) {
        if (s->spread == 1 && channels == 4) {
            tt_plane_dense(x, n, stride, 4, zero, s->pad, to, apart);
        } else if (s->spread == 1) {
            tt_plane_dense(x, n, stride, channels, zero, s->pad, to, apart);
        } else {
            for (int32_t j = 0; j < channels; j++) {
                for (int32_t i = 0; i < n; i++) {
                    int16_t v = (int16_t)(x[i * stride + j] - zero);
                    memcpy((char *)(to + j * apart) + 2 * (s->pad + i * s->spread), &v, 2);
                }
            }
        }
    }
}

#if TT_DSP

#define TT_PLANE_LOOP(row, ...)                                                                                        \
    __asm("0:\n\t" row "add %[x], %[next]\n\tsubs %[n], #1\n\tbne 0b"                                                  \
          : [x] "+r"(x), [w] "+r"(w), [n] "+r"(rows), [a0] "+r"(a.v[0]), [a1] "+r"(a.v[1]), [a2] "+r"(a.v[2]),         \
            [a3] "+r"(a.v[3]), [p] "=&r"(xp), [q] "=&r"(xq), [e] "=&r"(even), __VA_ARGS__                              \
          : [next] "r"(next)                                                                                           \
          : "cc", "memory")

/* Windows one column apart: the first and the third use the even weights, the others the odd ones. */
#define TT_TAP1(x0, x1)                                                                                                \
    "ldrd %[e], %[o], [%[w]], #8\n\t"                                                                                  \
    "ldr %[" x1 "], [%[x]], #4\n\t"                                                                                    \
    "smlad %[a0], %[" x0 "], %[e], %[a0]\n\t"                                                                          \
    "smlad %[a1], %[" x0 "], %[o], %[a1]\n\t"                                                                          \
    "smlad %[a2], %[" x1 "], %[e], %[a2]\n\t"                                                                          \
    "smlad %[a3], %[" x1 "], %[o], %[a3]\n\t"
#define TT_ROW1 "ldr %[p], [%[x]], #4\n\t" TT_TAP1("p", "q") TT_TAP1("q", "p")

/* Windows two columns apart: each begins one word later. */
#define TT_TAP2(x0, x1, x2, x3)                                                                                        \
    "ldr %[e], [%[w]], #4\n\t"                                                                                         \
    "ldr %[" x3 "], [%[x]], #4\n\t"                                                                                    \
    "smlad %[a0], %[" x0 "], %[e], %[a0]\n\t"                                                                          \
    "smlad %[a1], %[" x1 "], %[e], %[a1]\n\t"                                                                          \
    "smlad %[a2], %[" x2 "], %[e], %[a2]\n\t"                                                                          \
    "smlad %[a3], %[" x3 "], %[e], %[a3]\n\t"
#define TT_ROW2                                                                                                        \
    "ldrd %[p], %[q], [%[x]], #8\n\tldr %[r], [%[x]], #4\n\t" TT_TAP2("p", "q", "r", "s") TT_TAP2("q", "r", "s", "p")

#endif

/* a + the sums over the windows of four outputs, the first of which begins at `x`, over `rows` (at least one) rows of
 * the planes. `taps` and `step` are s->taps and s->step, as constants for the common kernel widths (2 to 7) with steps
 * 1 and 2. */
TT_INLINE tt_quad tt_plane_quad(const tt_plane *s, const uint32_t *x, const uint32_t *w, int32_t rows, int32_t taps,
                                int32_t step, tt_quad a)
{
#if TT_DSP
    if (step <= 2 && taps >= 2 && taps <= 4) {
        uint32_t xp, xq, even;
        const int32_t next = 4 * (s->words - taps - (step == 1 ? 1 : 3));
        if (step == 1) {
            uint32_t odd;
            if (taps == 2)
                TT_PLANE_LOOP(TT_ROW1, [o] "=&r"(odd));
            else if (taps == 3)
                TT_PLANE_LOOP(TT_ROW1 TT_TAP1("p", "q"), [o] "=&r"(odd));
            else
                TT_PLANE_LOOP(TT_ROW1 TT_TAP1("p", "q") TT_TAP1("q", "p"), [o] "=&r"(odd));
        } else {
            uint32_t xr, xs;
            if (taps == 2)
                TT_PLANE_LOOP(TT_ROW2, [r] "=&r"(xr), [s] "=&r"(xs));
            else if (taps == 3)
                TT_PLANE_LOOP(TT_ROW2 TT_TAP2("r", "s", "p", "q"), [r] "=&r"(xr), [s] "=&r"(xs));
            else
                TT_PLANE_LOOP(
                    TT_ROW2 TT_TAP2("r", "s", "p", "q") TT_TAP2("s", "p", "q", "r"), [r] "=&r"(xr), [s] "=&r"(xs));
        }
        return a;
    }
#endif
    const int32_t each = step & 1 ? 2 : 1;
    for (; rows > 0; rows--, x += s->words, w += s->row) {
        for (int32_t j = 0; j < 4; j++) {
            const uint32_t *xj = x + ((j * step) >> 1), *wj = w + (j * step & 1);
            for (int32_t i = 0; i < taps; i++)
                a.v[j] = tt_smlad(xj[i], wj[i * each], a.v[j]);
        }
    }
    return a;
}

/* Calls `f(..., taps, step)` with constants if `tt_plane_quad` has a loop for them. */
#define TT_PLANE_CALL(s, f, ...)                                                                                       \
    do {                                                                                                               \
        if (TT_DSP && (s)->step == 1 && (s)->taps == 2)                                                                \
            f(__VA_ARGS__, 2, 1);                                                                                      \
        else if (TT_DSP && (s)->step == 1 && (s)->taps == 3)                                                           \
            f(__VA_ARGS__, 3, 1);                                                                                      \
        else if (TT_DSP && (s)->step == 1 && (s)->taps == 4)                                                           \
            f(__VA_ARGS__, 4, 1);                                                                                      \
        else if (TT_DSP && (s)->step == 2 && (s)->taps == 2)                                                           \
            f(__VA_ARGS__, 2, 2);                                                                                      \
        else if (TT_DSP && (s)->step == 2 && (s)->taps == 3)                                                           \
            f(__VA_ARGS__, 3, 2);                                                                                      \
        else if (TT_DSP && (s)->step == 2 && (s)->taps == 4)                                                           \
            f(__VA_ARGS__, 4, 2);                                                                                      \
        else                                                                                                           \
            f(__VA_ARGS__, (s)->taps, (s)->step);                                                                      \
    } while (0)

#endif
