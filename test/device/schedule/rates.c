/* Compares sums, products and quotients of device/model/schedule.c with those of this machine's doubles, then prints the rates of a schedule's steps: each of stdin's
 * lines is the bits of both peaks, the number of steps, the first step to print, and how far on the next one is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "schedule.c"

static uint64_t drawn = 1;

static uint64_t random64(void)
{
    drawn ^= drawn << 13;
    drawn ^= drawn >> 7;
    return drawn ^= drawn << 17;
}

/* A double of either sign; half of them have few bits, so that results lie halfway between two doubles. */
static double number(void)
{
    const uint64_t few = random64() & 1 ? random64() % 52 : 0, fraction = (random64() & (TOP - 1)) >> few << few;
    const uint64_t bits = (random64() & 1) << 63 | (1023 - 30 + random64() % 60) << 52 | fraction;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static real of(double v)
{
    const real x = of_double(v < 0 ? -v : v);
    return v < 0 ? minus(x) : x;
}

static void expect(const char *what, double a, double b, real found, double wanted)
{
    const real right = of(wanted);
    if (found.m == right.m && (found.m == 0 || (found.e == right.e && found.negative == right.negative)))
        return;
    printf("%s of %a and %a\n", what, a, b);
    exit(1);
}

int main(int argc, char **argv)
{
    const long pairs = argc > 1 ? atol(argv[1]) : 0;
    for (long i = 0; i < pairs; i++) {
        const double a = number(), b = i % 8 ? number() : -a * (1 + (double)(random64() % 3) * 0x1p-52);
        const uint16_t n = (uint16_t)(1 + random64() % 512);
        const volatile double p = a * b, q = a / b, s = a + b, r = a / n;
        expect("product", a, b, product(of(a), of(b)), p);
        expect("quotient", a, b, quotient(of(a), of(b)), q);
        expect("part", a, n, part(of(a), n), r);
        expect("sum", a, b, sum(of(a), of(b)), s);
    }
    tt_schedule schedule;
    uint64_t bits[2];
    uint32_t from, stride;
    while (scanf("%" SCNx64 " %" SCNx64 " %" SCNu32 " %" SCNu32 " %" SCNu32, &bits[0], &bits[1], &schedule.steps, &from, &stride) == 5) {
        memcpy(&schedule.head, &bits[0], sizeof bits[0]);
        memcpy(&schedule.backbone, &bits[1], sizeof bits[1]);
        for (schedule.done = from; schedule.done < schedule.steps; schedule.done += stride) {
            const tt_rates r = tt_scheduled_rates(&schedule);
            printf("%" PRIu32 " %" PRId32 " %" PRIu32 " %" PRId32 "\n", r.head.m, r.head.e, r.backbone.m, r.backbone.e);
        }
    }
    return 0;
}
