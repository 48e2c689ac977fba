/* See tt_mel.h, and crates/spec/src/mel.rs for what is computed. A frame is a complex transform of its pairs of values, which stands in order of the
 * reversed bits of its places before it begins. */
#include "tt_mel.h"

#include <string.h>

#define HALF (TT_MEL_POINTS / 2)
#define QUARTER (TT_MEL_POINTS / 4)
#define FLOOR 24u  /* log2 of what is added to the power of a channel */
#define DROPPED 8u /* bits of a square */

_Static_assert(sizeof(tt_mel) == 8 * HALF + 4 + (TT_MEL_FRAME + 1) / 2 * 4, "size of a front end, which the plan counts");
_Static_assert(!(TT_MEL_POINTS & (TT_MEL_POINTS - 1)) && TT_MEL_POINTS >= TT_MEL_FRAME, "points of a transform");
_Static_assert(TT_MEL_STRIDE >= 1 && TT_MEL_STRIDE <= TT_MEL_FRAME, "values from one frame to the next");

/* 2^16 log2(1 + i / 32) */
static const uint32_t log2_table[33] = {
    0,     2909,  5732,  8473,  11136, 13727, 16248, 18704, 21098, 23433, 25711, 27936, 30109, 32234, 34312, 36346, 38336,
    40286, 42196, 44068, 45904, 47705, 49472, 51207, 52911, 54584, 56229, 57845, 59434, 60997, 62534, 64047, 65536,
};

/* cos and sin of 2 pi j / TT_MEL_POINTS, j below half the points. */
static int32_t cosine(uint32_t j)
{
    return j <= QUARTER ? tt_mel_cosines[j] : -tt_mel_cosines[HALF - j];
}

static int32_t sine(uint32_t j)
{
    return j <= QUARTER ? tt_mel_cosines[QUARTER - j] : tt_mel_cosines[j - QUARTER];
}

/* The pairs of a frame under the window, each at its place. */
static void load(tt_mel *mel)
{
    memset(mel->points, 0, sizeof mel->points);
    uint32_t place = 0;
    for (uint32_t n = 0; n < TT_MEL_FRAME; n++) {
        const int32_t h = tt_mel_window[n < TT_MEL_FRAME / 2 ? n : TT_MEL_FRAME - 1 - n];
        const int32_t v = (int32_t)(((int64_t)mel->values[n] * h) >> 17);
        if (n % 2 == 0) {
            mel->points[place].re = v;
            continue;
        }
        mel->points[place].im = v;
        /* Counts from the highest bit. */
        uint32_t bit = HALF / 2;
        for (; place & bit; bit >>= 1)
            place ^= bit;
        place |= bit;
    }
}

static void transform(tt_mel *mel)
{
    for (uint32_t half = 1; half < HALF; half *= 2) {
        for (uint32_t k = 0; k < half; k++) {
            const int32_t c = cosine(k * (HALF / half)), s = sine(k * (HALF / half));
            for (uint32_t i = k; i < HALF; i += 2 * half) {
                const int32_t a = mel->points[i].re, b = mel->points[i].im;
                const int64_t re = mel->points[i + half].re, im = mel->points[i + half].im;
                const int32_t t = (int32_t)((re * c + im * s + (1 << 30)) >> 31), u = (int32_t)((im * c - re * s + (1 << 30)) >> 31);
                mel->points[i].re = (a + t) >> 1;
                mel->points[i].im = (b + u) >> 1;
                mel->points[i + half].re = (a - t) >> 1;
                mel->points[i + half].im = (b - u) >> 1;
            }
        }
    }
}

/* The square of a line of the spectrum, which is separated from the transform of the pairs. */
static uint64_t power(const tt_mel *mel, uint32_t k)
{
    const int64_t a = mel->points[k].re, b = mel->points[k].im, p = mel->points[HALF - k].re, q = mel->points[HALF - k].im;
    const int32_t c = cosine(k), s = sine(k);
    const int64_t one = (int64_t)1 << 31;
    const int32_t re = (int32_t)(((a + p) * one + (b + q) * c - (a - p) * s + 2 * one) >> 33);
    const int32_t im = (int32_t)(((b - q) * one - (a - p) * c - (b + q) * s + 2 * one) >> 33);
    return (uint64_t)((int64_t)re * re + (int64_t)im * im);
}

/* The feature of the power of a channel. */
static int16_t feature(uint64_t v)
{
    v += 1u << FLOOR;
    uint32_t whole = 63;
    for (; !(v >> 63); v <<= 1)
        whole--;
    const uint32_t t = (uint32_t)(v >> 47) & 0xffff, at = t >> 11, rest = t & 2047;
    const uint32_t log = (whole << 16) + log2_table[at] + (((log2_table[at + 1] - log2_table[at]) * rest) >> 11);
    return (int16_t)((log - (FLOOR << 16) + 64) >> 7);
}

void tt_mel_begin(tt_mel *mel)
{
    mel->count = 0;
}

int tt_mel_push(tt_mel *mel, int16_t value, int16_t *features)
{
    mel->values[mel->count++] = value;
    if (mel->count < TT_MEL_FRAME)
        return 0;
    load(mel);
    mel->count = TT_MEL_FRAME - TT_MEL_STRIDE;
    memmove(mel->values, mel->values + TT_MEL_STRIDE, mel->count * sizeof *mel->values);
    transform(mel);
    uint64_t rising = 0;
    for (uint32_t k = TT_MEL_FIRST, band = 0; band <= TT_MEL_CHANNELS; band++) {
        uint64_t falling = rising;
        rising = 0;
        for (; k < tt_mel_ends[band]; k++) {
            const uint64_t p = (power(mel, k) + (1u << (DROPPED - 1))) >> DROPPED;
            const uint32_t w = tt_mel_weights[k - TT_MEL_FIRST];
            falling += p * w;
            rising += p * (32768 - w);
        }
        if (band)
            features[band - 1] = feature(falling);
    }
    return 1;
}
