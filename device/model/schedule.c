/* Learning rates of a schedule, bit for bit those of the host (`tinytrain train`), which computes them as a chain of sums, products and quotients of doubles. Here
 * integers do the same, each result rounded to 53 bits as IEEE 754 says: no firmware holds floating point, and no compiler's options can change a bit. */
#include <string.h>

#include "steps.h"

/* The number m 2^e, where m has 53 bits, or zero, where m is 0. Exponents are far from those of doubles that overflow or lose bits. */
typedef struct {
    uint64_t m;
    int32_t e;
    int negative;
} real;

#define TOP ((uint64_t)1 << 52)

static const real ONE = {TOP, -52, 0}, HALF = {TOP, -53, 0}, PI = {0x1921fb54442d18u, -51, 0};

/* The nearest number to m 2^e, a tie to even; the lowest bit of a long m is also set for any bits lost below it. */
static real rounded(uint64_t m, int32_t e, int negative)
{
    if (m == 0)
        return (real){0, 0, 0};
    for (; m >> 63 == 0; e--)
        m <<= 1;
    const uint64_t lost = m & 0x7ff;
    m >>= 11;
    m += lost > 0x400 || (lost == 0x400 && (m & 1));
    return m >> 53 ? (real){m >> 1, e + 12, negative} : (real){m, e + 11, negative};
}

static real whole(uint32_t n)
{
    return rounded(n, 0, 0);
}

static real product(real x, real y)
{
    const uint64_t a = x.m << 11, b = y.m << 11;
    const uint64_t a1 = a >> 32, a0 = (uint32_t)a, b1 = b >> 32, b0 = (uint32_t)b;
    const uint64_t low = a0 * b0, left = a1 * b0, right = a0 * b1;
    const uint64_t middle = (low >> 32) + (uint32_t)left + (uint32_t)right;
    const uint64_t high = a1 * b1 + (left >> 32) + (right >> 32) + (middle >> 32);
    return rounded(high | (((uint32_t)middle | (uint32_t)low) != 0), x.e + y.e + 42, x.negative ^ y.negative);
}

/* By a number that is not 0. */
static real quotient(real x, real y)
{
    uint64_t left = x.m, q = 0;
    for (int i = 0; i < 63; i++) {
        q <<= 1;
        if (left >= y.m) {
            left -= y.m;
            q |= 1;
        }
        left <<= 1;
    }
    return rounded(q | (left != 0), x.e - y.e - 62, x.negative ^ y.negative);
}

/* By a whole number up to 512, in three steps of the core's own division: 55 bits are left at least, so that the lowest may stand for those that are lost. */
static real part(real x, uint32_t n)
{
    const uint64_t all = x.m << 11;
    const uint32_t first = (uint32_t)(all >> 32) / n, left = (uint32_t)(all >> 32) % n << 16 | ((uint32_t)all >> 16);
    const uint32_t second = left / n, last = left % n << 16 | (uint16_t)all, third = last / n;
    return rounded((uint64_t)first << 32 | (uint64_t)second << 16 | third | (last % n != 0), x.e - 11, x.negative);
}

static real sum(real x, real y)
{
    if (x.m == 0 || (y.m != 0 && (x.e < y.e || (x.e == y.e && x.m < y.m)))) {
        const real larger = y;
        y = x;
        x = larger;
    }
    if (y.m == 0)
        return x;
    const int32_t down = x.e - y.e;
    const uint64_t a = x.m << 10, all = y.m << 10;
    const uint64_t b = down < 64 ? all >> down | ((all >> down) << down != all) : 1;
    return rounded(x.negative == y.negative ? a + b : a - b, x.e - 10, x.negative);
}

static real minus(real x)
{
    x.negative ^= 1;
    return x;
}

/* Whether x > 2^power, for x >= 0. */
static int above(real x, int32_t power)
{
    return x.m != 0 && (x.e > power - 52 || (x.e == power - 52 && x.m > TOP));
}

/* cos(pi x) for 0 <= x <= 1: the Taylor series of cosine or sine around the nearer of 0 and 1/2, for the mirrored x beyond 1/2. */
static real cos_pi(real x)
{
    const int mirrored = above(x, -1);
    if (mirrored)
        x = sum(ONE, minus(x));
    const uint32_t sine = (uint32_t)above(x, -2);
    const real t = product(sine ? sum(HALF, minus(x)) : x, PI);
    real term = sine ? t : ONE, all = term;
    for (uint32_t k = 1; k < 12; k++) {
        const uint32_t n = 2 * k + sine;
        term = part(product(product(minus(term), t), t), n * (n - 1));
        all = sum(all, term);
    }
    return mirrored ? minus(all) : all;
}

/* A double from 0; one that is too small for a learning rate is 0. */
static real of_double(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    const uint64_t exponent = bits >> 52;
    return exponent == 0 ? (real){0, 0, 0} : (real){TOP | (bits & (TOP - 1)), (int32_t)exponent - 1075, 0};
}

/* The nearest number with a mantissa of 31 bits, a tie upwards; 0 up to 2^-1000. */
static tt_real31 of_real(real x)
{
    if (!above(x, -1000))
        return (tt_real31){0, 0};
    const uint32_t m = (uint32_t)((x.m + ((uint64_t)1 << 21)) >> 22);
    return m >> 31 ? (tt_real31){m >> 1, x.e + 54} : (tt_real31){m, x.e + 53};
}

tt_rates tt_scheduled_rates(const tt_schedule *s)
{
    const uint32_t warm = s->steps < 20 ? 1 : s->steps / 10;
    const real head = of_double(s->head), backbone = of_double(s->backbone);
    if (s->done < warm) {
        const real rise = whole(s->done + 1), over = whole(warm);
        return (tt_rates){of_real(quotient(product(head, rise), over)), of_real(quotient(product(backbone, rise), over))};
    }
    const uint32_t falling = s->steps > warm ? s->steps - warm : 1;
    const real fall = sum(ONE, cos_pi(quotient(whole(s->done - warm), whole(falling))));
    return (tt_rates){of_real(product(product(head, HALF), fall)), of_real(product(product(backbone, HALF), fall))};
}

int tt_is_peak(double rate)
{
    uint64_t bits;
    memcpy(&bits, &rate, sizeof bits);
    return bits <= (uint64_t)(1023 + 64) << 52;
}
