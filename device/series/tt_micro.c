/* See tt_micro.h, and crates/spec/src/micro.rs for what is computed. A frame is a complex transform of its pairs of values, which stands in order of the reversed
 * digits of its places before it begins. Sums and differences of points keep 16 bits, as they did where the features come from. */
#include "tt_micro.h"

#include <string.h>

#define HALF (TT_MICRO_POINTS / 2)
#define QUARTER (TT_MICRO_POINTS / 4)
#define ODD_BITS (HALF & 0xaaaaaaaau) /* the first stage combines two points, all others four */
#define HALVED (32767 / 2)
#define QUARTERED (32767 / 4)
#define WINDOW_BITS 12u
#define SHARE_BITS 14u
#define SNR_BITS 12u
#define GAINED_BITS 6u
#define LN2 45426u /* 2^16 ln 2 */

_Static_assert(sizeof(tt_micro) == 4 * HALF + 4 * TT_MICRO_CHANNELS + 4 + (TT_MICRO_FRAME + 1) / 2 * 4, "size of a front end, which the plan counts");
_Static_assert(!(TT_MICRO_POINTS & (TT_MICRO_POINTS - 1)) && TT_MICRO_POINTS >= TT_MICRO_FRAME && TT_MICRO_POINTS >= 64, "points of a transform");
_Static_assert(TT_MICRO_STRIDE >= 1 && TT_MICRO_STRIDE <= TT_MICRO_FRAME, "values from one frame to the next");

typedef struct {
    int32_t re, im;
} complex32;

/* The place of a pair before the transform: its digits reversed, which have two bits but for the last one where bits are odd. */
static uint32_t place_of(uint32_t n)
{
    uint32_t place = 0;
    for (uint32_t left = HALF; left > 1;) {
        const uint32_t bits = left % 4 ? 1 : 2;
        left >>= bits;
        place += (n & ((1u << bits) - 1)) * left;
        n >>= bits;
    }
    return place;
}

static int32_t rounded(int32_t x)
{
    return (int16_t)((x + (1 << 14)) >> 15);
}

/* 32767 times the cosine and the negative of the sine of 2 pi j / TT_MICRO_POINTS, j below three quarters. */
static complex32 turn(uint32_t j)
{
    complex32 t;
    if (j < QUARTER) {
        t.re = tt_micro_cosines[j];
        t.im = -tt_micro_cosines[QUARTER - j];
    } else if (j < HALF) {
        t.re = -tt_micro_cosines[HALF - j];
        t.im = -tt_micro_cosines[j - QUARTER];
    } else {
        t.re = -tt_micro_cosines[j - HALF];
        t.im = tt_micro_cosines[HALF + QUARTER - j];
    }
    return t;
}

static complex32 times(complex32 a, complex32 b)
{
    const complex32 product = {rounded(a.re * b.re - a.im * b.im), rounded(a.re * b.im + a.im * b.re)};
    return product;
}

/* A point times HALVED or QUARTERED, by how many a stage combines. */
static complex32 scaled(const tt_micro *micro, uint32_t at, int32_t factor)
{
    const complex32 point = {rounded(micro->points[at].re * factor), rounded(micro->points[at].im * factor)};
    return point;
}

static void put(tt_micro *micro, uint32_t at, int32_t re, int32_t im)
{
    micro->points[at].re = (int16_t)re;
    micro->points[at].im = (int16_t)im;
}

static void combine_four(tt_micro *micro, uint32_t at, uint32_t size, complex32 t1, complex32 t2, complex32 t3)
{
    const complex32 a = scaled(micro, at, QUARTERED), b = times(scaled(micro, at + size, QUARTERED), t1);
    const complex32 c = times(scaled(micro, at + 2 * size, QUARTERED), t2), d = times(scaled(micro, at + 3 * size, QUARTERED), t3);
    const int32_t re = a.re - c.re, im = a.im - c.im;
    put(micro, at, a.re + c.re + b.re + d.re, a.im + c.im + b.im + d.im);
    put(micro, at + 2 * size, a.re + c.re - b.re - d.re, a.im + c.im - b.im - d.im);
    put(micro, at + size, re + (b.im - d.im), im - (b.re - d.re));
    put(micro, at + 3 * size, re - (b.im - d.im), im + (b.re - d.re));
}

static void transform(tt_micro *micro)
{
    for (uint32_t at = 0; ODD_BITS && at < HALF; at += 2) {
        const complex32 a = scaled(micro, at, HALVED), b = times(scaled(micro, at + 1, HALVED), turn(0));
        put(micro, at, a.re + b.re, a.im + b.im);
        put(micro, at + 1, a.re - b.re, a.im - b.im);
    }
    for (uint32_t size = ODD_BITS ? 2 : 1; size < HALF; size *= 4) {
        const uint32_t step = HALF / (2 * size);
        for (uint32_t k = 0; k < size; k++) {
            const complex32 t1 = turn(k * step), t2 = turn(2 * k * step), t3 = turn(3 * k * step);
            for (uint32_t at = k; at < HALF; at += 4 * size)
                combine_four(micro, at, size, t1, t2, t3);
        }
    }
}

/* The window's values, as large as an int16 takes them; returns by how many bits they grew. */
static uint32_t load(tt_micro *micro)
{
    int32_t most = 0;
    for (uint32_t n = 0; n < TT_MICRO_FRAME; n++) {
        const int32_t v = (int16_t)((micro->values[n] * tt_micro_window[n]) >> WINDOW_BITS);
        /* -32768 has no magnitude there. */
        const int32_t magnitude = v < 0 ? (int16_t)-v : v;
        if (magnitude > most)
            most = magnitude;
    }
    uint32_t free = 15;
    for (; most; most >>= 1)
        free--;
    memset(micro->points, 0, sizeof micro->points);
    for (uint32_t n = 0, place = 0; n < TT_MICRO_FRAME; n++) {
        const int32_t v = (micro->values[n] * tt_micro_window[n]) >> WINDOW_BITS;
        const int16_t grown = (int16_t)((uint32_t)v << free);
        if (n % 2) {
            micro->points[place].im = grown;
            continue;
        }
        place = place_of(n / 2);
        micro->points[place].re = grown;
    }
    return free;
}

/* The energy of a line of the spectrum, which is separated from the transform of the pairs. */
static uint64_t energy(const tt_micro *micro, uint32_t line)
{
    const int mirrored = 2 * line >= HALF;
    const uint32_t k = mirrored ? HALF - line : line;
    /* The conjugate is taken before it is halved, which rounds halves up. */
    const complex32 a = scaled(micro, k, HALVED);
    const complex32 b = {rounded(micro->points[HALF - k].re * HALVED), rounded((int16_t)-micro->points[HALF - k].im * HALVED)};
    const complex32 both = {(int16_t)(a.re + b.re), (int16_t)(a.im + b.im)};
    const complex32 apart = {(int16_t)(a.re - b.re), (int16_t)(a.im - b.im)};
    const complex32 t = turn(k), behind = {t.im, -t.re}, turned = times(apart, behind);
    const int32_t x = mirrored ? (both.re - turned.re) >> 1 : (both.re + turned.re) >> 1;
    const int32_t y = mirrored ? (turned.im - both.im) >> 1 : (turned.im + both.im) >> 1;
    /* 2^31 is a negative number there. */
    return (uint64_t)(int64_t)(int32_t)((uint32_t)(x * x) + (uint32_t)(y * y));
}

/* The square root, to the nearest; held within 16 bits where the square has 32. */
static uint32_t root(uint64_t square)
{
    const uint64_t most = square >> 32 ? 0xffffffffu : 0xffffu;
    uint64_t found = 0, rest = square, bit = (uint64_t)1 << 62;
    while (bit > square)
        bit >>= 2;
    for (; bit; bit >>= 2) {
        const int fits = rest >= found + bit;
        rest -= fits ? found + bit : 0;
        found = (found >> 1) + (fits ? bit : 0);
    }
    return (uint32_t)(found + (rest > found && found < most));
}

static uint32_t bits_of(uint32_t value)
{
    uint32_t bits = 0;
    for (; value; value >>= 1)
        bits++;
    return bits;
}

#ifdef TT_MICRO_GAIN_SHIFT
/* The gain of a noise: a parabola between the powers of two. */
static uint32_t gain(uint32_t noise)
{
    if (noise < 2)
        return (uint32_t)(int32_t)tt_micro_gains[noise];
    const uint32_t bits = bits_of(noise);
    const int16_t *at = tt_micro_gains + 4 * bits - 6;
    const int32_t t = (int32_t)((bits < 11 ? noise << (11 - bits) : noise >> (bits - 11)) & 0x3ff);
    const int32_t bent = (((at[2] * t) >> 5) + at[1] * 32) * t;
    return (uint32_t)(int32_t)(int16_t)(at[0] + ((bent + (1 << 14)) >> 15));
}

static uint32_t gained(uint32_t signal, uint32_t noise)
{
    const uint32_t snr = (uint32_t)(((uint64_t)signal * gain(noise)) >> TT_MICRO_GAIN_SHIFT);
    if (snr < 2u << SNR_BITS)
        return (snr * snr) >> (2 + 2 * SNR_BITS - GAINED_BITS);
    return (snr >> (SNR_BITS - GAINED_BITS)) - (1u << GAINED_BITS);
}
#else
static uint32_t gained(uint32_t signal, uint32_t noise)
{
    (void)noise;
    return signal;
}
#endif

/* 2^TT_MICRO_SCALE ln value. */
static int16_t logarithm(uint32_t value)
{
    if (value <= 1)
        return 0;
    const uint32_t whole = bits_of(value) - 1, rest = value - ((uint32_t)1 << whole);
    const uint32_t t = whole < 16 ? rest << (16 - whole) : rest >> (whole - 16), at = t >> 9;
    const int32_t from = tt_micro_logs[at], rising = tt_micro_logs[at + 1] - from;
    const uint32_t log2 = (whole << 16) + t + (uint32_t)(from + ((rising * (int32_t)(t & 511)) >> 16));
    const uint32_t log = (uint32_t)(((uint64_t)log2 * LN2 + (1u << 15)) >> 16);
    return (int16_t)(((log << TT_MICRO_SCALE) + (1u << 15)) >> 16);
}

/* The feature of a channel's amplitude; follows its noise. */
static int16_t feature(tt_micro *micro, uint32_t channel, uint32_t amplitude)
{
    const uint32_t share = channel % 2 ? TT_MICRO_ODD : TT_MICRO_EVEN, fine = amplitude << TT_MICRO_SMOOTHING;
    const uint64_t before = (uint64_t)micro->noise[channel] * ((1u << SHARE_BITS) - share);
    const uint32_t noise = (uint32_t)(((uint64_t)fine * share + before) >> SHARE_BITS);
    micro->noise[channel] = noise;
    const uint32_t above = noise > fine ? 0 : (fine - noise) >> TT_MICRO_SMOOTHING;
    const uint32_t least = (uint32_t)(((uint64_t)amplitude * TT_MICRO_REMAINING) >> SHARE_BITS);
    return logarithm(gained(above > least ? above : least, noise) << TT_MICRO_CORRECTION);
}

void tt_micro_begin(tt_micro *micro)
{
    memset(micro->noise, 0, sizeof micro->noise);
    micro->count = 0;
}

int tt_micro_push(tt_micro *micro, int16_t value, int16_t *features)
{
    micro->values[micro->count++] = value;
    if (micro->count < TT_MICRO_FRAME)
        return 0;
    const uint32_t grown = load(micro);
    micro->count = TT_MICRO_FRAME - TT_MICRO_STRIDE;
    memmove(micro->values, micro->values + TT_MICRO_STRIDE, micro->count * sizeof *micro->values);
    transform(micro);
    uint64_t rising = 0;
    for (uint32_t k = TT_MICRO_FIRST, band = 0; band <= TT_MICRO_CHANNELS; band++) {
        uint64_t falling = rising;
        rising = 0;
        for (; k < tt_micro_ends[band]; k++) {
            const uint64_t e = energy(micro, k);
            const uint16_t *w = tt_micro_weights + 2 * (k - TT_MICRO_FIRST);
            falling += e * w[0];
            rising += e * w[1];
        }
        if (band)
            features[band - 1] = feature(micro, band - 1, root(falling) >> grown);
    }
    return 1;
}
